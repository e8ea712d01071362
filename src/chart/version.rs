//! Versions of charts (Semantic Versioning 2.0.0) and the tags that stand for them.

/// The version that Helm reads in a tag: a tag cannot have a `+`, so Helm writes `_` for it.
pub fn version_of_tag(tag: &str) -> String {
    tag.replace('_', "+")
}

/// Whether `version` is one of Semantic Versioning, without `v` and with all three numbers. Helm resolves a range
/// of versions among such tags only.
pub fn is_strict(version: &str) -> bool {
    let (version, build) = match version.split_once('+') {
        Some((version, build)) => (version, Some(build)),
        None => (version, None),
    };
    let (core, pre_release) = match version.split_once('-') {
        Some((core, pre_release)) => (core, Some(pre_release)),
        None => (version, None),
    };
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && pre_release.is_none_or(|text| text.split('.').all(|id| is_identifier(id) && !has_leading_zero(id)))
        && build.is_none_or(|text| text.split('.').all(is_identifier))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !has_leading_zero(text)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit())
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
        }
        for version in others {
            assert!(!is_strict(version), "{version}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_put_together_by_the_rules_is_strict(
            version in "(0|[1-9][0-9]{0,8})(\\.(0|[1-9][0-9]{0,8})){2}(-[a-z-][0-9a-z-]{0,8}(\\.(0|[1-9][0-9]{0,3}))?)?(\\+[0-9a-z-]{1,8})?"
        ) {
            prop_assert!(is_strict(&version));
            prop_assert!(is_strict(&version_of_tag(&version.replace('+', "_"))));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            is_strict(&text);
        }
    }
}
