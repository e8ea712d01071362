//! What no message to a user may have in it: names of the program's own types, and the words of libraries. Every answer of
//! a server and everything that a command says goes through here, in all tests.

/// Words that only our code or that of a library would write.
const INTERNAL: [&str; 36] = [
    "charthouse::",
    "std::",
    "serde",
    "Some(",
    "Ok(",
    "Err(",
    "Error(",
    "Arc(",
    "Custom {",
    "Os {",
    "(os error",
    "expected value at",
    "expected ident",
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
    "error sending request",
    "error trying to connect",
    "client error (",
    "tcp connect error",
    "dns error",
    "invalid peer certificate",
    "UnknownIssuer",
    "CaUsedAsEndEntity",
    "InvalidContentType",
    "hyper",
    "reqwest",
    "rustls",
    "panicked",
];

/// A type that `Debug` output names, as in `Manifest {`.
fn names_a_type(text: &str) -> Option<&str> {
    text.match_indices(" {").map(|(at, _)| &text[..at]).find_map(|before| {
        let word = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_type = word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.contains(|c: char| c.is_ascii_lowercase());
        is_type.then_some(word)
    })
}

/// Fails when a message, which `origin` gave, has internal words in it. Lines of a log are no messages.
#[track_caller]
pub fn assert_plain(origin: &str, message: &str) {
    for line in message.lines().filter(|line| !line.starts_with("{\"time\"")) {
        assert_eq!(internal_word(line), None, "{origin} says: {line}");
    }
}

fn internal_word(line: &str) -> Option<&str> {
    INTERNAL.into_iter().find(|word| line.contains(word)).or_else(|| names_a_type(line))
}

#[test]
fn internal_words_are_found() {
    for message in
        ["cannot: Custom { kind: Other }", "it is Manifest { digest", "x: charthouse::oci", "No (os error 2)"]
    {
        assert!(internal_word(message).is_some(), "{message}");
    }
    for message in [
        "no answer to GET http://a/v2/: the connection was refused",
        "the JSON is refused: it is not JSON (line 1)",
    ] {
        assert_eq!(internal_word(message), None);
    }
}
