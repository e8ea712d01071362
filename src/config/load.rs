//! default < file < environment < flag, with the origin of each value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::keys::{KEYS, Key};
use super::{Settings, environment, file};

/// A configuration file larger than this is refused: it is none.
const MAX_FILE: u64 = 1 << 20;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: u64,
    },
    /// A variable's name.
    Environment(String),
    /// With its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Settings that hold all rules, and where they came from.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// By name of the key; what is absent is the default.
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    pub fn origin(&self, key: &Key) -> &Origin {
        self.origins.get(key.name).unwrap_or(&Origin::Default)
    }

    /// Whether nobody set the key of this name.
    pub fn is_default(&self, name: &str) -> bool {
        !self.origins.contains_key(name)
    }
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// One line for each thing that is wrong.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
}

/// Reads `path` (or the file that `CHARTHOUSE_CONFIG` names, or none), then `environment`, then `flags`
/// (name of a key and its text), and checks the rules between settings. Reports everything that is wrong at once.
pub fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &[(&str, String)],
) -> Result<Loaded, ConfigError> {
    let variables = environment::ours(environment);
    let mut draft = Draft::default();
    if let Some(path) = path.map(Path::to_path_buf).or_else(|| variables.file.clone()) {
        draft.take_file(&path)?;
    }
    for (key, text) in variables.values {
        draft.set(key, &text, Origin::Environment(key.variable()));
    }
    draft.problems.extend(variables.problems);
    for key in KEYS {
        let given = flags.iter().find(|(name, _)| *name == key.name);
        if let (Some((_, text)), Some(flag)) = (given, key.flag) {
            draft.set(key, text, Origin::Flag(flag));
        }
    }
    draft.finish()
}

#[derive(Default)]
struct Draft {
    settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<String>,
}

impl Draft {
    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let yaml =
            read_file(path).map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
        let (entries, mistakes) = file::read(&yaml);
        for entry in entries {
            self.set(entry.key, &entry.text, Origin::File { path: path.to_path_buf(), line: entry.line });
        }
        for mistake in mistakes {
            let origin = Origin::File { path: path.to_path_buf(), line: mistake.line };
            self.problems.push(format!("{origin}: {}", mistake.message));
        }
        Ok(())
    }

    fn set(&mut self, key: &'static Key, text: &str, origin: Origin) {
        if let Err(rule) = key.read(&mut self.settings, text) {
            self.problems.push(format!("{origin}: {}: {rule}", key.name));
        }
        self.origins.insert(key.name, origin);
    }

    fn finish(self) -> Result<Loaded, ConfigError> {
        let loaded = Loaded { settings: self.settings, origins: self.origins };
        let mut problems = self.problems;
        if problems.is_empty() {
            let named = loaded.settings.violations().into_iter().filter_map(|violation| {
                let key = Key::find(violation.key)?;
                Some(format!("{}: {}: {}", loaded.origin(key), key.name, violation.rule))
            });
            problems.extend(named);
        }
        if problems.is_empty() { Ok(loaded) } else { Err(ConfigError::Refused(problems)) }
    }
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut yaml = String::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut yaml)?;
    if yaml.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    Ok(yaml)
}
