//! Names of repositories and of the namespaces that hold them.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A repository name by the grammar of the distribution specification ("Pulling manifests"):
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`, at most [`RepositoryName::MAX_BYTES`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

/// A repository name up to its last `/`, empty for the root: the unit of consistency, index and access.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

/// Why a text is not a repository name or a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("the repository name is longer than {} bytes", RepositoryName::MAX_BYTES)]
    TooLong,
    #[error(
        "the repository name is malformed: its components are lower-case letters and digits, joined by '.', '_', '__' or dashes, and separated by '/'"
    )]
    Malformed,
    #[error(
        "a repository name must not begin with '{0}/' or be '{0}', because the registry answers that path itself: choose another first component, like 'charts/{0}'"
    )]
    Reserved(&'static str),
}

/// First components that belong to the registry's own paths.
const RESERVED: [&str; 2] = ["v2", "api"];

impl RepositoryName {
    /// With a host name and a `/` before it a name stays under the 255 characters that clients allow.
    pub const MAX_BYTES: usize = 229;

    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        check(text)?;
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All but the last component.
    pub fn namespace(&self) -> Namespace {
        Namespace(self.split().0.into())
    }

    /// The last component: for a chart, its name.
    pub fn base(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }
}

impl Namespace {
    /// The namespace of repositories without a `/`.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Reads a namespace; the empty text is the root.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if !text.is_empty() {
            check(text)?;
        }
        Ok(Self(text.into()))
    }

    /// The namespace as it is written before a repository's last component; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The repository `base` of the namespace.
    ///
    /// # Errors
    /// Those of [`RepositoryName::parse`], and for a base with a `/`.
    pub fn repository(&self, base: &str) -> Result<RepositoryName, InvalidName> {
        match (self.0.is_empty(), base.contains('/')) {
            (_, true) => Err(InvalidName::Malformed),
            (true, false) => RepositoryName::parse(base),
            (false, false) => RepositoryName::parse(&format!("{}/{base}", self.0)),
        }
    }

    /// The folder of the namespace in the store. No component of a name begins with `_`, so `_root` is free.
    pub fn key(&self) -> &str {
        if self.0.is_empty() { "_root" } else { &self.0 }
    }
}

/// Names are in the byte order of their text, so a listing can go on after any text.
impl Borrow<str> for RepositoryName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(RepositoryName, InvalidName);
text_type!(Namespace, InvalidName);

fn check(text: &str) -> Result<(), InvalidName> {
    if text.len() > RepositoryName::MAX_BYTES {
        return Err(InvalidName::TooLong);
    }
    if !is_name(text.as_bytes()) {
        return Err(InvalidName::Malformed);
    }
    let first = text.split('/').next().unwrap_or(text);
    match RESERVED.iter().find(|reserved| **reserved == first) {
        Some(reserved) => Err(InvalidName::Reserved(reserved)),
        None => Ok(()),
    }
}

/// The grammar as a state machine: one look at each byte, no backtracking.
fn is_name(bytes: &[u8]) -> bool {
    enum Seen {
        Start,
        Alphanumeric,
        Underscore,
        Dashes,
        Separator,
    }
    let mut seen = Seen::Start;
    for byte in bytes {
        seen = match (seen, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => Seen::Alphanumeric,
            (Seen::Alphanumeric, b'/') => Seen::Start,
            (Seen::Alphanumeric, b'.') | (Seen::Underscore, b'_') => Seen::Separator,
            (Seen::Alphanumeric, b'_') => Seen::Underscore,
            (Seen::Alphanumeric | Seen::Dashes, b'-') => Seen::Dashes,
            _ => return false,
        };
    }
    matches!(seen, Seen::Alphanumeric)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex_lite::Regex;

    use super::*;

    static SPECIFIED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z").unwrap()
    });

    #[test]
    fn a_name_splits_into_namespace_and_base() {
        for (text, namespace, key, base) in
            [("app", "", "_root", "app"), ("team/app", "team", "team", "app"), ("a/b/c", "a/b", "a/b", "c")]
        {
            let name = RepositoryName::parse(text).unwrap();
            assert_eq!((name.as_str(), name.base()), (text, base));
            assert_eq!((name.namespace().as_str(), name.namespace().key()), (namespace, key));
        }
        assert_eq!(Namespace::parse(""), Ok(Namespace::root()));
        assert_eq!(Namespace::root().to_string(), "");
        assert_eq!(serde_json::to_string(&Namespace::parse("a/b").unwrap()).unwrap(), "\"a/b\"");
        assert!(serde_json::from_str::<RepositoryName>("\"A\"").is_err());
    }

    #[test]
    fn refusals_name_the_rule() {
        use InvalidName::*;
        let longest = "a".repeat(229);
        assert!(RepositoryName::parse(&longest).is_ok());
        let too_long = "a".repeat(230);
        let cases = [
            (too_long.as_str(), TooLong),
            ("", Malformed),
            ("A", Malformed),
            ("a//b", Malformed),
            ("/a", Malformed),
            ("a/", Malformed),
            ("a..b", Malformed),
            ("a___b", Malformed),
            ("a._b", Malformed),
            ("_a", Malformed),
            ("-a", Malformed),
            ("a-", Malformed),
            ("a/../b", Malformed),
            ("a\n", Malformed),
            ("a%2fb", Malformed),
            ("v2", Reserved("v2")),
            ("v2/a", Reserved("v2")),
            ("api/a", Reserved("api")),
        ];
        for (text, expected) in cases {
            assert_eq!(RepositoryName::parse(text), Err(expected), "{text:?}");
        }
        for text in ["apis", "v2x/a", "a/v2", "a/api", "a--b", "a---b.c__d/e_f", "0"] {
            assert!(RepositoryName::parse(text).is_ok(), "{text:?}");
        }
        assert!(Reserved("api").to_string().contains("'api'"));
    }

    proptest! {
        #[test]
        fn the_state_machine_equals_the_regex_of_the_specification(text in "[ab0._/A-]{0,14}|\\PC{0,8}") {
            prop_assert_eq!(is_name(text.as_bytes()), SPECIFIED.is_match(&text));
        }

        #[test]
        fn specified_names_round_trip(text in "[c-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}(__[a-z0-9]){0,1}){0,3}") {
            let name = RepositoryName::parse(&text);
            if text.split('/').next() != Some("v2") {
                let name = name.unwrap();
                prop_assert_eq!(name.to_string(), text.clone());
                let rejoined = format!("{}/{}", name.namespace(), name.base());
                prop_assert_eq!(rejoined.trim_start_matches('/'), text);
            }
        }
    }
}
