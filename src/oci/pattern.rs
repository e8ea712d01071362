//! Patterns of repositories, tags and namespaces, as rules of the configuration have them.

use std::fmt;

use super::Namespace;

/// `REPOSITORY` or `REPOSITORY:TAG`, where `*` stands for any characters of one component and `**` for any at all.
/// Without a tag every tag is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPattern {
    repository: Box<str>,
    tag: Option<Box<str>>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected REPOSITORY or REPOSITORY:TAG, with * for any part of a component and ** for any components, like prod/** or team/app:*-rc.*"
)]
pub struct InvalidPattern;

impl TagPattern {
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let (repository, tag) = match text.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (text, None),
        };
        let of_repository =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*".contains(&byte);
        let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
        let legal = !repository.is_empty()
            && repository.bytes().all(of_repository)
            && tag.is_none_or(|tag| !tag.is_empty() && tag.bytes().all(of_tag));
        match legal {
            true => Ok(Self { repository: repository.into(), tag: tag.map(Into::into) }),
            false => Err(InvalidPattern),
        }
    }

    pub fn matches(&self, repository: &str, tag: &str) -> bool {
        let of_tag = |pattern: &str| glob(pattern.as_bytes(), tag.as_bytes());
        glob(self.repository.as_bytes(), repository.as_bytes()) && self.tag.as_deref().is_none_or(of_tag)
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

/// A namespace, where `*` stands for any characters of one component and `**` for any at all: `dev/**` is `dev` and what
/// lies below it, `**` every namespace and the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacePattern(Box<str>);

/// Why a text is no pattern of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected NAMESPACE, with * for any part of a component and ** for any components, like dev or dev/**; ** is every namespace"
)]
pub struct InvalidNamespacePattern;

impl NamespacePattern {
    pub fn parse(text: &str) -> Result<Self, InvalidNamespacePattern> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*".contains(&byte);
        // Who writes a truth means something else than a namespace of that name.
        let is_truth = ["true", "false", "on", "off"].contains(&text);
        match !text.is_empty() && !is_truth && text.bytes().all(legal) {
            true => Ok(Self(text.into())),
            false => Err(InvalidNamespacePattern),
        }
    }

    pub fn matches(&self, namespace: &Namespace) -> bool {
        let of_namespace = |pattern: &str| glob(pattern.as_bytes(), namespace.as_str().as_bytes());
        of_namespace(&self.0) || self.0.strip_suffix("/**").is_some_and(of_namespace)
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Goes back to the last star only, so the work is at most the product of the lengths. A `*` that cannot take a `/`
/// leaves it to the last `**`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after a star took one byte more: the place in the pattern, and that in the text.
    let (mut star, mut stars) = (None, None);
    loop {
        if pattern[p..].starts_with(b"**") {
            (p, stars, star) = (p + 2, Some((p + 2, t)), None);
        } else if pattern[p..].starts_with(b"*") {
            (p, star) = (p + 1, Some((p + 1, t)));
        } else if p < pattern.len() && text.get(t) == Some(&pattern[p]) {
            (p, t) = (p + 1, t + 1);
        } else if p == pattern.len() && t == text.len() {
            return true;
        } else if let Some((after, from)) =
            star.filter(|(_, from)| text.get(*from).is_some_and(|byte| *byte != b'/'))
        {
            (p, t, star) = (after, from + 1, Some((after, from + 1)));
        } else if let Some((after, from)) = stars.filter(|(_, from)| *from < text.len()) {
            (p, t, star, stars) = (after, from + 1, None, Some((after, from + 1)));
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_lite::Regex;

    use super::*;

    #[test]
    fn a_pattern_of_namespaces_takes_what_lies_below_when_it_says_so() {
        let cases = [
            ("**", ["", "dev", "dev/a", "dev/a/b", "other"].as_slice(), [].as_slice()),
            ("dev", &["dev"], &["", "dev/a", "devel"]),
            ("dev/**", &["dev", "dev/a", "dev/a/b"], &["", "devel", "a/dev"]),
            ("dev-*", &["dev-a"], &["dev", "dev-a/b"]),
            ("*/dev", &["a/dev"], &["dev", "a/b/dev"]),
        ];
        for (text, matching, others) in cases {
            let pattern = NamespacePattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            let matches = |name: &&str| pattern.matches(&Namespace::parse(name).unwrap());
            assert!(matching.iter().all(matches), "{text}");
            assert!(!others.iter().any(matches), "{text}");
        }
        for text in ["", "Dev", "a b", "dev:1.0.0", "true", "off"] {
            assert_eq!(NamespacePattern::parse(text), Err(InvalidNamespacePattern), "{text}");
        }
    }

    #[test]
    fn patterns_match_repositories_and_tags() {
        let cases = [
            ("team/app", "team/app", "1.0.0", true),
            ("team/app", "team/apps", "1.0.0", false),
            ("team/*", "team/app", "1.0.0", true),
            ("team/*", "team/sub/app", "1.0.0", false),
            ("team/**", "team/sub/app", "1.0.0", true),
            ("team/**", "team", "1.0.0", false),
            ("**", "anything/at/all", "latest", true),
            ("*", "app", "latest", true),
            ("*", "team/app", "latest", false),
            ("**/app", "a/b/app", "x", true),
            ("**/app", "app", "x", false),
            ("a*/**/b*c", "ax/y/z/bxc", "x", true),
            ("team/app:1.*", "team/app", "1.2.3", true),
            ("team/app:1.*", "team/app", "2.0.0", false),
            ("**:*-rc.*", "team/app", "1.0.0-rc.1", true),
            ("**:*-rc.*", "team/app", "1.0.0", false),
        ];
        for (pattern, repository, tag, expected) in cases {
            let parsed = TagPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(repository, tag), expected, "{pattern} {repository}:{tag}");
            assert_eq!(parsed.to_string(), pattern);
        }
        for text in ["", ":", "a:", ":a", "Team", "a b", "a:b:c", "!a", "a\n"] {
            assert_eq!(TagPattern::parse(text), Err(InvalidPattern), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_glob_equals_the_expression_that_says_the_same(pattern in "[ab/*]{0,9}", text in "[ab/]{0,9}") {
            let expression = pattern.replace("**", "@").replace('*', "[^/]*").replace('@', ".*");
            let expected = Regex::new(&format!("^{expression}$")).unwrap().is_match(&text);
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{} {}", pattern, text);
        }
    }
}
