//! Why charthouse refuses what Helm takes: each is a row of docs/checks.md#where-helm-takes-more.

use std::path::Path;

/// The first cell of a row, and a message of its rule, in which `*` stands for what is quoted of the chart.
const EXCEPTIONS: [(&str, &str); 11] = [
    (
        "a key twice in Chart.yaml, also when it differs by its case",
        "the key `*` is a duplicate of one before it",
    ),
    ("a key twice in Chart.yaml, also when it differs by its case", "`*` occurs twice but for its case"),
    (
        "a second document, or text behind the end of a flow mapping",
        "it has a second document or more behind its end, which Helm would not read",
    ),
    (
        "a byte order mark inside of the text",
        "a byte order mark stands inside of the text: write it as \\uFEFF",
    ),
    ("the tag `!!timestamp`", "the tag !!timestamp is not taken: leave it out"),
    ("the tag `!!binary` with bytes that are no UTF-8", "a value with the tag !!binary is no text"),
    (
        "a name with a backslash or a control character",
        "the name \"*\" is no name of a chart: it may not be `.` or `..` or have `/`, `\\` or control characters",
    ),
    ("a number beyond 64 bits in `import-values`", "a number is too large"),
    (
        "an extended header that belongs to no entry",
        "the archive of the package is refused: an extended header has no entry of its own behind it",
    ),
    ("a file of the chart itself twice", "the package has the file \"*\" twice"),
    (
        "a header of no known format that is an extension, or has something where the formats differ",
        "the archive of the package is refused: a header is of a format in which readers find different names",
    ),
];

/// True if `refusal` is the message of an exception.
pub fn is_documented(refusal: &str) -> bool {
    EXCEPTIONS.iter().any(|(_, message)| contains(refusal, message))
}

/// True if `text` has all parts of `message`, one after the other.
fn contains(text: &str, message: &str) -> bool {
    let mut rest = text;
    message.split('*').all(|part| {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        true
    })
}

#[test]
fn every_exception_has_a_row_with_a_reason() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md");
    let page = std::fs::read_to_string(page).expect("docs/checks.md");
    let (_, section) = page.split_once("### Where Helm takes more").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    for (row, _) in EXCEPTIONS {
        let line = section.lines().find_map(|line| line.strip_prefix(&format!("| {row} | ")));
        assert!(line.is_some_and(|reason| reason.len() > 20), "docs/checks.md has no row `{row}`");
    }
}

#[test]
fn other_refusals_are_no_exceptions() {
    assert!(is_documented("the package has the file \"values.yaml\" twice"));
    for refusal in [
        "the package has the file name \"a\\u{7}\", which is refused: it has a control character",
        "the Chart.yaml of the package is refused: line 1: the control character U+0007 is not allowed",
        "the Chart.yaml of the package is refused: it is not UTF-8",
    ] {
        assert!(!is_documented(refusal), "{refusal}");
    }
}
