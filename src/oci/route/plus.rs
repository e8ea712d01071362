//! `+` in a version constraint of a query: forms, Python's requests and `URLSearchParams` write it for a space, and people
//! write it as it is before build metadata.

use percent_encoding::percent_decode_str;

/// Returns a raw, percent-encoded constraint as it is meant: a `+` inside a version begins its build metadata, any other
/// is a space. `%2B` is always a `+`.
pub(super) fn constraint(raw: &str) -> String {
    let mut parts = raw.split('+').map(|part| percent_decode_str(part).decode_utf8_lossy());
    let mut text = parts.next().unwrap_or_default().into_owned();
    for part in parts {
        text.push(if ends_in_version(&text) && begins_with_build(&part) { '+' } else { ' ' });
        text.push_str(&part);
    }
    text
}

/// Whether `text` ends in a version that has no build metadata yet.
fn ends_in_version(text: &str) -> bool {
    let is_part = |c: char| is_identifier(c) || matches!(c, '.' | '+');
    let version = text.rsplit(|c: char| !is_part(c)).next().unwrap_or_default();
    let number = version.strip_prefix('v').unwrap_or(version);
    number.starts_with(|c: char| c.is_ascii_digit()) && !version.contains('+')
}

/// Whether `text` begins with build metadata. A hyphen alone is that of a range, `1.0 - 2.0`.
fn begins_with_build(text: &str) -> bool {
    let end = text.find(|c: char| !(is_identifier(c) || c == '.')).unwrap_or(text.len());
    !matches!(&text[..end], "" | "-") && !text.starts_with('.')
}

fn is_identifier(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_build_metadata_inside_a_version_and_a_space_elsewhere() {
        let cases = [
            ("", ""),
            ("1.2.3", "1.2.3"),
            ("%3E%3D1.1.0+%3C1.2", ">=1.1.0 <1.2"),
            (">=1.1.0+<1.2", ">=1.1.0 <1.2"),
            ("%3E%3D+1.1.0%2C+%3C+1.2", ">= 1.1.0, < 1.2"),
            ("%5E1+%7C%7C+%5E3", "^1 || ^3"),
            ("^1+||+^3", "^1 || ^3"),
            ("1.0+-+2.0", "1.0 - 2.0"),
            ("1.0.0+a+-+2.0.0+b", "1.0.0+a - 2.0.0+b"),
            ("~>+1.2", "~> 1.2"),
            ("1.2.3+build.5", "1.2.3+build.5"),
            ("1.2.3%2Bbuild.5", "1.2.3+build.5"),
            ("v1.2.3-rc.1+5", "v1.2.3-rc.1+5"),
            (">=1.1.0+build.5+<2", ">=1.1.0+build.5 <2"),
            ("%3E%3D1.1.0%2Bbuild.5+%3C2", ">=1.1.0+build.5 <2"),
            (">1.0++<2", ">1.0  <2"),
            ("+1.0+", " 1.0 "),
            ("*+-+2", "* - 2"),
            ("1.x+!=1.3", "1.x !=1.3"),
            ("%3E%3D1.1.0%2B%3C1.2", ">=1.1.0+<1.2"),
        ];
        for (raw, expected) in cases {
            assert_eq!(constraint(raw), expected, "{raw}");
        }
    }
}
