//! Names of the files of a chart repository: `<name>-<version>.tgz`, and `.prov` behind it for a signature
//! (docs/internals/helm.md#files).

use std::fmt;

use super::digest::Digest;

/// A file by its name. Names and versions both have hyphens: where one ends and the other begins, and whether there is
/// such a file, is not decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartFile {
    /// `<name>-<version>`, with `+` in the version, or `_` as in tags.
    pub stem: String,
    /// The signature, not the package.
    pub provenance: bool,
    /// The first hexadecimal digits of the package's digest, where two versions have a file of this name.
    pub package: Option<Box<str>>,
}

/// How many digits of a digest an index writes before a name that two versions have.
const PACKAGE_PREFIX: usize = 16;

impl ChartFile {
    /// Reads the last component of a path; `None` for what is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let (package, provenance) = match text.strip_suffix(".prov") {
            Some(package) => (package, true),
            None => (text, false),
        };
        let stem = package.strip_suffix(".tgz")?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
        stem.bytes().all(legal).then(|| Self { stem: stem.to_owned(), provenance, package: None })
    }

    /// Whether `text` can name a package by the beginning of its digest.
    pub fn is_package_prefix(text: &str) -> bool {
        (PACKAGE_PREFIX..=64).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The beginning of the digest of `package`, as an index writes it.
    pub fn package_prefix(package: &Digest) -> String {
        let mut digits = package.hex();
        digits.truncate(PACKAGE_PREFIX);
        digits
    }

    /// Whether the file is that of `package`, as far as it says.
    pub fn may_be_of(&self, package: &Digest) -> bool {
        self.package.as_deref().is_none_or(|digits| package.hex().starts_with(digits))
    }
}

impl fmt::Display for ChartFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(digits) = &self.package {
            write!(f, "{digits}/")?;
        }
        write!(f, "{}.tgz{}", self.stem, if self.provenance { ".prov" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn file_names_and_others() {
        let cases = [
            ("app-1.2.3.tgz", Some(("app-1.2.3", false))),
            ("app-1.2.3.tgz.prov", Some(("app-1.2.3", true))),
            ("app-1.2.3+b.tgz", Some(("app-1.2.3+b", false))),
            ("app-1.2.3%2Bb.tgz", None),
            ("app-1.2.3_b.tgz", Some(("app-1.2.3_b", false))),
            ("my-app-1.2.3-rc.1.tgz", Some(("my-app-1.2.3-rc.1", false))),
            ("app.tgz", Some(("app", false))),
            ("-1.2.3.tgz", Some(("-1.2.3", false))),
            ("app-1.2.3", None),
            ("app-1.2.3.tgz.prov.prov", None),
            ("app-1.2.3.prov", None),
            ("app-1.2.3%2f.tgz", None),
            ("app-1.2.3%252B.tgz", None),
            ("app-1.2.3\u{e9}.tgz", None),
            ("app-1 2.tgz", None),
        ];
        for (text, expected) in cases {
            let read = ChartFile::parse(text);
            let parts = read.as_ref().map(|file| (file.stem.as_str(), file.provenance));
            assert_eq!(parts, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "[a-z0-9.+_-]{0,20}(\\.tgz)?(\\.prov)?|\\PC{0,20}") {
            if let Some(file) = ChartFile::parse(&text) {
                prop_assert_eq!(ChartFile::parse(&file.to_string()), Some(file));
            }
        }
    }
}
