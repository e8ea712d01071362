//! Repository names and the namespaces they are in (OCI distribution specification, "Pulling manifests").

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Together with a host of up to 25 characters a name stays under the 255 that clients allow.
pub const MAX_NAME: usize = 229;

/// First components that are paths of the server itself.
const RESERVED: [&str; 2] = ["v2", "api"];

/// `team/app`: components of lower-case letters and digits, joined by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

/// A repository name up to its last `/`; empty for the root. What Helm calls a chart repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidName {
    #[error(
        "a repository name is made of components of lower-case letters and digits, which may be joined by one `.`, \
         one or two `_`, or any number of `-`; the components are separated by single `/`"
    )]
    Malformed,
    #[error("a repository name has at most {MAX_NAME} characters")]
    TooLong,
    #[error("a repository name cannot begin with the component {0:?}: it is a path of the server itself")]
    Reserved(String),
}

impl RepositoryName {
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        check(text)?;
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn namespace(&self) -> Namespace {
        Namespace(self.0.rsplit_once('/').map_or("", |(namespace, _)| namespace).into())
    }

    /// The last component: the name of the chart.
    pub fn base(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, base)| base)
    }
}

impl Namespace {
    pub fn root() -> Self {
        Self("".into())
    }

    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if !text.is_empty() {
            check(text)?;
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its folder in the store: no component of a name begins with `_`.
    pub fn key(&self) -> &str {
        if self.0.is_empty() { "_root" } else { &self.0 }
    }
}

fn check(text: &str) -> Result<(), InvalidName> {
    if text.len() > MAX_NAME {
        return Err(InvalidName::TooLong);
    }
    if !text.split('/').all(is_component) {
        return Err(InvalidName::Malformed);
    }
    let first = text.split('/').next().unwrap_or_default();
    if RESERVED.contains(&first) {
        return Err(InvalidName::Reserved(first.to_owned()));
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` as a state machine over bytes.
fn is_component(part: &str) -> bool {
    #[derive(PartialEq)]
    enum At {
        Start,
        Letter,
        Dot,
        Underscore,
        TwoUnderscores,
        Dash,
    }
    let mut at = At::Start;
    for byte in part.bytes() {
        at = match (at, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => At::Letter,
            (At::Letter, b'.') => At::Dot,
            (At::Letter, b'_') => At::Underscore,
            (At::Underscore, b'_') => At::TwoUnderscores,
            (At::Letter | At::Dash, b'-') => At::Dash,
            _ => return false,
        };
    }
    at == At::Letter
}

macro_rules! text_type {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}
pub(super) use text_type;

text_type!(RepositoryName);
text_type!(Namespace);
