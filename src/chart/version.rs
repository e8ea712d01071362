//! Versions of charts and the tags that stand for them.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// Helm reads no longer version.
const MAX_LENGTH: usize = 256;

/// The version that Helm reads in a tag: a tag cannot have a `+`, so Helm writes `_` for it.
pub fn version_of_tag(tag: &str) -> String {
    tag.replace('_', "+")
}

/// Returns a version or tag with a leading `v` if it has none, else without it.
pub fn respelled(text: &str) -> String {
    text.strip_prefix('v').map_or_else(|| format!("v{text}"), str::to_owned)
}

/// The tag that Helm gives to a version: the other way round.
pub fn tag_of_version(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether `version` is one of Semantic Versioning 2.0.0, without `v` and with all three numbers. Helm resolves a
/// range of versions among such tags only.
pub fn is_strict(version: &str) -> bool {
    Version::parse(version).is_ok()
}

/// Reads a version as Helm does (Masterminds/semver, `NewVersion`): a `v` before it, numbers that are left out and
/// zeros before a number are passed over. `None` for what Helm takes for no version at all.
pub fn lax(text: &str) -> Option<Version> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, BuildMetadata::new(build).ok().filter(|build| !build.is_empty())?),
        None => (text, BuildMetadata::EMPTY),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Prerelease::new(pre).ok().filter(|pre| !pre.is_empty())?),
        None => (text, Prerelease::EMPTY),
    };
    let mut numbers = [0; 3];
    for (at, digits) in core.split('.').enumerate() {
        *numbers.get_mut(at)? = number(digits)?;
    }
    let [major, minor, patch] = numbers;
    Some(Version { major, minor, patch, pre, build })
}

/// Which of two versions is higher to Helm: build metadata does not count.
pub fn precedence(a: &Version, b: &Version) -> Ordering {
    let numbers = |version: &Version| (version.major, version.minor, version.patch);
    numbers(a).cmp(&numbers(b)).then_with(|| match (a.pre.as_str(), b.pre.as_str()) {
        (a, b) if a == b => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (a, b) => a.split('.').map(identifier).cmp(b.split('.').map(identifier)),
    })
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Text(&'a str),
}

/// An identifier of a pre-release. Odd: a number beyond 64 bits is a text to Helm.
fn identifier(text: &str) -> Identifier<'_> {
    number(text).map_or(Identifier::Text(text), Identifier::Number)
}

fn number(digits: &str) -> Option<u64> {
    let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strict_versions_and_others() {
        let strict =
            ["0.0.0", "1.2.3", "1.2.3-rc.1", "1.2.3-0a.--", "1.2.3+build.007", "1.2.3-rc.1+a-b", "10.20.30"];
        let others = [
            "",
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3.4",
            "01.2.3",
            "1.2.03",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.3+a+b",
            "1.2.x",
            "latest",
            "1.2.3 ",
            "1.2.3-ü",
            "-1.2.3",
        ];
        for version in strict {
            assert!(is_strict(version), "{version}");
            assert_eq!(lax(version), Version::parse(version).ok(), "{version}");
        }
        for version in others {
            assert!(!is_strict(version), "{version}");
        }
    }

    #[test]
    fn lax_versions_are_read_as_helm_reads_them() {
        let cases = [
            ("1", Some("1.0.0")),
            ("1.2", Some("1.2.0")),
            ("v1.2.3", Some("1.2.3")),
            ("v1", Some("1.0.0")),
            ("01.02.03", Some("1.2.3")),
            ("1-rc.1", Some("1.0.0-rc.1")),
            ("1.2-2.0.0", Some("1.2.0-2.0.0")),
            ("1.2+b", Some("1.2.0+b")),
            ("1.2.3-a+b-c", Some("1.2.3-a+b-c")),
            ("1.2.3+a-b", Some("1.2.3+a-b")),
            ("V1.2.3", None),
            ("vv1", None),
            ("", None),
            ("v", None),
            ("1.", None),
            (".1", None),
            ("1..2", None),
            ("1.2.3.4", None),
            ("1.2.3-", None),
            ("1.2.3+", None),
            ("1.2.3-01", None),
            ("1.2.3+a+b", None),
            ("1.2.3 ", None),
            ("latest", None),
            ("18446744073709551616.0.0", None),
        ];
        assert!(lax(&format!("1.0.0-{}", "a".repeat(250))).is_some());
        assert_eq!(lax(&format!("1.0.0-{}", "a".repeat(251))), None);
        for (text, expected) in cases {
            assert_eq!(lax(text).map(|version| version.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_as_helm_orders_them() {
        let ascending = [
            "0.9.0",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-10.a",
            "1.0.0-99999999999999999999",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0",
            "1.0.1-0",
            "1.10.0",
        ];
        let read = |text: &str| lax(text).unwrap();
        for (a, low) in ascending.iter().enumerate() {
            for (b, high) in ascending.iter().enumerate() {
                assert_eq!(precedence(&read(low), &read(high)), a.cmp(&b), "{low} {high}");
            }
        }
        assert_eq!(precedence(&read("1.0.0+a"), &read("v1+b")), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn whatever_is_put_together_by_the_rules_is_strict(
            version in "(0|[1-9][0-9]{0,8})(\\.(0|[1-9][0-9]{0,8})){2}(-[a-z-][0-9a-z-]{0,8}(\\.(0|[1-9][0-9]{0,3}))?)?(\\+[0-9a-z-]{1,8})?"
        ) {
            prop_assert!(is_strict(&version));
            prop_assert!(is_strict(&version_of_tag(&tag_of_version(&version))));
            prop_assert_eq!(lax(&format!("v{version}")), lax(&version));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*|v?[0-9.+-]{0,12}") {
            prop_assert!(lax(&text).is_some() || !is_strict(&text));
        }
    }
}
