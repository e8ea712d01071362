//! The table of what Helm answers, and what holds for any text.

use proptest::prelude::*;
use proptest::string::string_regex;

use super::*;
use crate::chart::lax;

/// Written by tests/clients/helm_constraints.rs.
const CASES: &str = include_str!("cases.txt");

#[test]
fn versions_are_chosen_as_helm_chooses_them() {
    let mut lines =
        CASES.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('\t').unwrap());
    let (_, versions) = lines.next().unwrap();
    let versions: Vec<(&str, Version)> =
        versions.split(' ').map(|version| (version, lax(version).unwrap())).collect();
    let (mut verdicts, mut refusals) = (0, 0);
    for (constraint, expected) in lines {
        let constraint = constraint.trim_matches('`');
        let read = Constraint::parse(constraint);
        if expected == "refused" {
            refusals += 1;
            assert!(read.is_err(), "{constraint:?} is read as {read:?}");
            continue;
        }
        let read = read.unwrap_or_else(|error| panic!("{constraint:?}: {error}"));
        let allowed = versions.iter().filter(|(_, version)| read.allows(version));
        let allowed: Vec<&str> = allowed.map(|(text, _)| *text).collect();
        assert_eq!(allowed.join(" "), expected, "{constraint:?}");
        verdicts += versions.len();
        let again = Constraint::parse(&read.to_string());
        assert_eq!(again.as_ref(), Ok(&read), "{constraint:?} is written {read}");
    }
    assert!(verdicts > 8_000 && refusals > 60, "{verdicts} verdicts and {refusals} refusals");
}

#[test]
fn a_refusal_says_what_to_do() {
    let refusal = |text: &str| Constraint::parse(text).unwrap_err().to_string();
    assert!(refusal(&"1".repeat(513)).contains("513 bytes long, but Helm reads no more than 512"));
    assert!(refusal(&["1"; 33].join("||")).contains("33 alternatives"));
    assert!(Constraint::parse(&["1"; 32].join("||")).is_ok());
    for text in ["", " ", "latest", "1 ||", "1.2.3 latest"] {
        assert!(refusal(text).contains("write one like `1.2.3`"), "{text:?}");
    }
    assert!(refusal("^1.0.0-01").contains("\"1.0.0-01\" in the version constraint is no version"));
    assert!(refusal(&"é".repeat(250)).len() < 500);
    assert!(refusal(&format!("1.0.0-{}", "a".repeat(251))).contains("256 characters"));
}

#[test]
fn the_highest_is_the_first_of_equals() {
    let read = |text: &str| Constraint::parse(text).unwrap();
    let candidates =
        ["1.0.0", "1.2.0+a", "1.2.0+b", "2.0.0-rc.1", "1.1.0"].map(|text| (text, lax(text).unwrap()));
    let highest =
        |constraint| read(constraint).highest(&candidates, |(_, version)| version).map(|(text, _)| *text);
    assert_eq!(highest("*"), Some("1.2.0+a"));
    assert_eq!(highest("<1.2"), Some("1.1.0"));
    assert_eq!(highest(">0.0.0-0"), Some("2.0.0-rc.1"));
    assert_eq!(highest(">2"), None);
}

/// Texts that are constraints more often than chance would have it.
fn text() -> impl Strategy<Value = String> {
    let version = "v?([0-3]|x|\\*)(\\.([0-3]|x|\\*)){0,3}(-(0|rc|rc\\.1|01))?(\\+b)?";
    let comparison = prop_oneof![
        4 => string_regex(&format!("(=|!=|>|<|>=|=>|<=|=<|~|~>|\\^)? ?{version}")).unwrap(),
        1 => string_regex(&format!("{version} - {version}")).unwrap(),
    ];
    let joined = proptest::collection::vec((comparison, "( |,|, | , ?|\\|\\||\\|\\| | \\|\\| |\\|)"), 1..5);
    prop_oneof![
        9 => joined.prop_map(|parts| {
            let text: String = parts.iter().map(|(comparison, between)| format!("{comparison}{between}")).collect();
            text.trim_end_matches([' ', ',', '|']).to_owned()
        }),
        1 => "[0-9xv.|<>=!~^ ,*+a-]{0,30}|\\PC{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_read_is_written_with_the_same_meaning(text in text()) {
        let Ok(read) = Constraint::parse(&text) else { return Ok(()) };
        let written = read.to_string();
        if written.len() <= parse::MAX_LENGTH {
            prop_assert_eq!(Constraint::parse(&written), Ok(read), "{}", written);
        }
    }

    #[test]
    fn an_alternative_allows_what_either_allows(
        a in text(), b in text(), version in "[0-3]\\.[0-3]\\.[0-3](-(0|rc|rc\\.1))?"
    ) {
        let version = lax(&version).unwrap();
        let read = |text: &str| Constraint::parse(text);
        if let (Ok(a), Ok(b)) = (read(&a), read(&b)) {
            let either = read(&format!("{a} || {b}")).unwrap();
            prop_assert_eq!(either.allows(&version), a.allows(&version) || b.allows(&version));
        }
    }
}
