//! What people name on the command line: `oci://HOST[:PORT]/NAMESPACE/NAME[:TAG][@DIGEST]`, parsed once.

use std::fmt;

use super::error::ClientError;
use crate::chart::tag_of_version;
use crate::oci::{Digest, InvalidName, RepositoryName, Tag};

/// `host` or `host:port`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// A repository of any registry: the grammar of the specification, without the names that charthouse keeps to itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// A chart in a registry, and which of its versions, if that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartReference {
    pub host: Host,
    pub repository: Repository,
    pub tag: Option<Tag>,
    pub digest: Option<Digest>,
}

/// A registry, or a namespace of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: Host,
    /// Without slashes at its ends; empty for the whole registry.
    pub namespace: String,
}

const FORM: &str = "oci://HOST[:PORT]/NAMESPACE/NAME[:TAG|@DIGEST]";

impl Host {
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Usage(format!("`{text}` is not a host or host:port"));
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (
                &text[..address.len() + 2],
                (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or("x")),
            ),
            Some(_) => return Err(wrong()),
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.[]:".contains(&byte);
        let edges = |byte: u8| byte.is_ascii_alphanumeric() || b"[]".contains(&byte);
        let named = name.len() <= 253
            && name.bytes().all(legal)
            && name.bytes().next().is_some_and(edges)
            && name.bytes().last().is_some_and(edges)
            && !name.contains("..");
        let ported = port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if named && ported { Ok(Self(text.to_ascii_lowercase())) } else { Err(wrong()) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the registry of that name answers: Docker's has another name on the wire.
    pub fn on_the_wire(&self) -> &str {
        match self.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            host => host,
        }
    }
}

impl Repository {
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match RepositoryName::parse(text) {
            Ok(_) | Err(InvalidName::Reserved(_)) => Ok(Self(text.to_owned())),
            Err(why) => Err(why),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component: for a chart, its name.
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl ChartReference {
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let rest = after_scheme(text)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                let wrong = |why| ClientError::Usage(format!("`{text}`: {why}"));
                (rest, Some(Digest::parse(digest).map_err(wrong)?))
            }
            None => (rest, None),
        };
        let Some((host, path)) = rest.split_once('/') else {
            return Err(ClientError::Usage(format!("`{text}` names no chart: write {FORM}")));
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag_of(tag)?)),
            None => (path, None),
        };
        let repository =
            Repository::parse(path).map_err(|why| ClientError::Usage(format!("`{text}`: {why}")))?;
        Ok(Self { host: Host::parse(host)?, repository, tag, digest })
    }

    /// The same chart without a version.
    pub fn chart(&self) -> Self {
        Self { tag: None, digest: None, ..self.clone() }
    }
}

impl Place {
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let rest = after_scheme(text)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let namespace = path.trim_matches('/').to_owned();
        if !namespace.is_empty() {
            Repository::parse(&namespace).map_err(|why| ClientError::Usage(format!("`{text}`: {why}")))?;
        }
        Ok(Self { host: Host::parse(host)?, namespace })
    }

    /// The repository of the chart `name` in this namespace.
    pub fn repository(&self, name: &str) -> Result<Repository, InvalidName> {
        if self.namespace.is_empty() {
            return Repository::parse(name);
        }
        Repository::parse(&format!("{}/{name}", self.namespace))
    }
}

/// The tag that stands for a version: `_` where the version has `+`.
pub fn tag_of(version: &str) -> Result<Tag, ClientError> {
    Tag::parse(&tag_of_version(version))
        .map_err(|why| ClientError::Usage(format!("`{version}` cannot be a tag: {why}")))
}

fn after_scheme(text: &str) -> Result<&str, ClientError> {
    const SCHEME: &str = "oci://";
    // A scheme has no case (RFC 3986 section 3.1).
    let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    scheme
        .map(|scheme| &text[scheme.len()..])
        .ok_or_else(|| ClientError::Usage(format!("`{text}` does not begin with oci://: write {FORM}")))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChartReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_written_as_they_were_read() {
        let digest = Digest::sha256(b"x");
        for text in [
            "oci://localhost:5000/team/app".to_owned(),
            "oci://h.example/app:1.2.3".to_owned(),
            format!("oci://h.example/a/b/c@{digest}"),
            format!("oci://h.example:443/a/b/c:1.2.3_b@{digest}"),
            "oci://[::1]:5000/app:latest".to_owned(),
            "oci://h/api/v2".to_owned(),
        ] {
            assert_eq!(ChartReference::parse(&text).unwrap().to_string(), text);
        }
        assert_eq!(ChartReference::parse("OCI://H/app").unwrap().to_string(), "oci://h/app");
        let with_plus = ChartReference::parse("oci://h/app:1.2.3+b.7").unwrap();
        assert_eq!(with_plus.tag.unwrap().as_str(), "1.2.3_b.7");
    }

    #[test]
    fn wrong_references_say_what_is_wrong() {
        for (text, expected) in [
            ("h/app", "oci://"),
            ("https://h/app", "oci://"),
            ("oci://h", "names no chart"),
            ("oci://h/", "malformed"),
            ("oci://h/App", "lower-case"),
            ("oci://h/app:", "cannot be a tag"),
            ("oci://h/app@sha256:0", "digest"),
            ("oci://h:0/app", "not a host"),
            ("oci://h:x/app", "not a host"),
            ("oci:///app", "not a host"),
            ("oci://user@h/app", "digest"),
            ("oci://h.\u{e9}/app", "not a host"),
            ("oci://[::x]/app", "not a host"),
            ("oci://h/../app", "malformed"),
            ("oci://h/app?x", "malformed"),
        ] {
            let said = ChartReference::parse(text).unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn places_are_registries_and_namespaces() {
        for (text, namespace) in
            [("oci://h", ""), ("oci://h/", ""), ("oci://h/a/b", "a/b"), ("oci://h/a/", "a")]
        {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.host.as_str(), place.namespace.as_str()), ("h", namespace));
        }
        let place = Place::parse("oci://h/a").unwrap();
        assert_eq!(place.repository("app").unwrap().as_str(), "a/app");
        assert!(place.repository("App").is_err() && place.repository("../x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(oci://)?[a-z0-9:/@.\\[\\]_+-]{0,40}|\\PC{0,30}") {
            if let Ok(reference) = ChartReference::parse(&text) {
                let again = ChartReference::parse(&reference.to_string()).unwrap();
                prop_assert_eq!(again, reference);
            }
            let _ = Place::parse(&text);
        }
    }
}
