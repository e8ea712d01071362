//! Reads the package of a chart (a gzipped tar archive) under limits, and refuses what Helm cannot load, what
//! would escape from its folder, and what two readers would take differently
//! (docs/internals/helm.md#chart-validity). Nothing is written.

mod entries;
mod extension;
mod gunzip;
mod paths;
mod scan;
mod verify;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

pub use paths::PathFault;
pub use verify::{Disagreement, Elsewhere, verify, verify_annotations};

use super::metadata::{InvalidMetadata, Metadata};
use gunzip::Budget;

/// How much of a package is read before it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of all files, of the packages inside of it too.
    pub unpacked: u64,
    /// The bytes of one file.
    pub file: u64,
    /// Files, directories and extensions of them, of the packages inside of it too.
    pub entries: u32,
    /// Charts inside of charts.
    pub depth: u32,
}

impl Default for Limits {
    /// Those of Helm, with room for the largest umbrella charts where Helm has none.
    fn default() -> Self {
        Self { unpacked: 100 << 20, file: 5 << 20, entries: 10_000, depth: 16 }
    }
}

/// What a package holds.
#[derive(Clone, Debug)]
pub struct Package {
    /// Chart.yaml, with the dependencies of requirements.yaml.
    pub metadata: Metadata,
    /// All files, in the order of the archive.
    pub files: Vec<PackedFile>,
    /// The charts inside, at any depth, by path.
    pub subcharts: Vec<Subchart>,
    /// What is legal but deserves a warning.
    pub oddities: Vec<Oddity>,
    contents: BTreeMap<Box<str>, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Inside of the chart, with `/`.
    pub path: Box<str>,
    pub size: u64,
}

/// A chart in `charts/` of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subchart {
    /// Its folder or package inside of the outermost chart.
    pub path: String,
    pub name: String,
    pub version: String,
}

/// What Helm accepts and others may not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Oddity {
    #[error("its files are in the folder {0:?} instead of one named like the chart")]
    Folder(String),
    #[error("its files are in several folders, which Helm takes for one")]
    SeveralFolders,
    #[error(
        "it has the file {0:?} twice, and readers take the last: give dependencies of one name different folders"
    )]
    Duplicate(String),
    #[error("its file names have backslashes where slashes belong")]
    Backslashes,
    #[error("its archive does not end with two blocks of zeros")]
    NoEndMarker,
    #[error("something stands behind the end of its archive")]
    TrailingBytes,
    #[error("its apiVersion {0:?} is neither v1 nor v2")]
    ApiVersion(String),
    #[error("its values.schema.json is not JSON")]
    Schema,
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPackage {
    #[error("the package cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error("the package has {size} bytes, more than the {limit} that are read of one")]
    TooLong { size: u64, limit: u64 },
    #[error("the package is not compressed with gzip")]
    NotGzip,
    #[error("the package is damaged: {0}")]
    Damaged(String),
    #[error("the unpacked package has more bytes than are allowed")]
    TooLarge,
    #[error("the file {path:?} of the package has {size} bytes, more than the {limit} that are allowed")]
    FileTooLarge { path: String, size: u64, limit: u64 },
    #[error("the package has more files and folders than are allowed")]
    TooManyEntries,
    #[error("the package has charts inside of charts deeper than the {0} levels that are allowed")]
    TooDeep(u32),
    #[error("the archive of the package is refused: {0}")]
    Tar(#[from] TarFault),
    #[error("the package has the file name {name:?}, which is refused: {fault}")]
    Path { name: String, fault: PathFault },
    #[error("the entry {name:?} of the package is {kind}: a chart has files and folders only")]
    Kind { name: String, kind: &'static str },
    #[error("the package has the file {0:?} twice")]
    Duplicate(String),
    #[error("the package has {0:?}: what is in `charts/` is a chart, or its name begins with `_` or `.`")]
    Stray(String),
    #[error("the package has no file")]
    Empty,
    #[error("the package has no Chart.yaml in the folder of the chart")]
    NoChartYaml,
    #[error("the Chart.yaml of the package is refused: {0}")]
    ChartYaml(#[from] InvalidMetadata),
    #[error("the chart {path:?} inside of the package: {reason}")]
    Subchart { path: String, reason: Box<InvalidPackage> },
}

/// What of a tar archive is damaged, or read differently by different readers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarFault {
    #[error("it ends within an entry")]
    Truncated,
    #[error("the checksum of a header is wrong")]
    Checksum,
    #[error("a header is of a format in which readers find different names")]
    Format,
    #[error("the {0} of a header is not an octal number")]
    Number(&'static str),
    #[error("a header has no name, or one with a zero byte")]
    Name,
    #[error("an entry has two long names")]
    TwoNames,
    #[error("an entry has two sizes")]
    Sizes,
    #[error("the mode of an entry says that it is of another kind")]
    Mode,
    #[error("a directory has content")]
    DirectorySize,
    #[error("the name of a file ends like that of a directory")]
    FileOrDirectory,
    #[error("a sparse file: pack it without holes")]
    Sparse,
    #[error("an extended header cannot be read")]
    Record,
    #[error("an extended header is too long")]
    LongExtension,
    #[error("an extended header has no entry of its own behind it")]
    LostExtension,
    #[error("a global header changes names or sizes")]
    GlobalRecord,
    #[error("a block of zeros stands between entries")]
    LoneZeroBlock,
}

impl InvalidPackage {
    /// The error of a reader that decompresses.
    fn from_reader(error: io::Error, budget: &Budget) -> Self {
        match error.kind() {
            _ if budget.is_spent() => Self::TooLarge,
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".to_owned()),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Unreadable(error),
        }
    }
}

impl Package {
    /// Reads a whole package, and keeps the files that a chart is known by.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read(input: impl Read, limits: &Limits) -> Result<Self, InvalidPackage> {
        Self::read_keeping(input, limits, &|_| false)
    }

    /// As `read`, and keeps the files for whose paths `keep` is true as well.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read_keeping(
        mut input: impl Read,
        limits: &Limits,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<Self, InvalidPackage> {
        scan::package(&mut input, limits, &|path| scan::is_of_interest(path) || keep(path))
    }

    /// Reads a whole package to judge it, and keeps only what that takes.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn inspect(mut input: impl Read, limits: &Limits) -> Result<Self, InvalidPackage> {
        scan::package(&mut input, limits, &|_| false)
    }

    /// Reads the metadata of a package that `read` refuses, if it has one Chart.yaml in one folder that can be read.
    pub fn metadata_alone(mut input: impl Read, limits: &Limits) -> Option<Metadata> {
        scan::metadata_alone(&mut input, limits)
    }

    /// The content of a file that was kept, without a byte order mark.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.contents.get(path).map(Vec::as_slice)
    }

    pub fn chart_yaml(&self) -> &[u8] {
        self.content("Chart.yaml").unwrap_or_default()
    }

    pub fn values(&self) -> Option<&[u8]> {
        self.content("values.yaml")
    }

    /// The first document of `values.yaml`; `None` for what is no YAML.
    pub fn values_as_json(&self) -> Option<serde_json::Value> {
        super::chart_yaml::parse(self.values()?).ok()
    }

    pub fn schema(&self) -> Option<&[u8]> {
        self.content("values.schema.json")
    }

    /// The first file that Helm shows as the readme.
    pub fn readme(&self) -> Option<&[u8]> {
        self.files.iter().find(|file| scan::is_readme(&file.path)).and_then(|file| self.content(&file.path))
    }

    pub fn lock(&self) -> Option<&[u8]> {
        self.content("Chart.lock").or_else(|| self.content("requirements.lock"))
    }

    pub fn requirements(&self) -> Option<&[u8]> {
        self.content("requirements.yaml")
    }

    pub fn templates(&self) -> impl Iterator<Item = &PackedFile> {
        self.files_in("templates/")
    }

    pub fn crds(&self) -> impl Iterator<Item = &PackedFile> {
        self.files_in("crds/")
    }

    fn files_in(&self, folder: &'static str) -> impl Iterator<Item = &PackedFile> {
        self.files.iter().filter(move |file| file.path.starts_with(folder))
    }
}

impl fmt::Display for Subchart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.path, self.name, self.version)
    }
}

/// As much of a name as a message quotes.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(300)]).chars().take(100).collect()
}
