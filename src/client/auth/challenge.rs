//! `WWW-Authenticate`: what a registry asks for (RFC 9110 section 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

const MAX_CHALLENGE: usize = 8 * 1024;

impl Challenge {
    /// Returns the challenges that a client of registries can meet, in the order of the headers.
    pub fn of(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        values.filter(|value| value.len() <= MAX_CHALLENGE).flat_map(Self::parse).collect()
    }

    /// Parses one header, which may hold several challenges: `Negotiate, Bearer realm="..."`.
    fn parse(text: &str) -> Vec<Self> {
        split(text).into_iter().filter_map(Self::known).collect()
    }

    fn known(given: Given<'_>) -> Option<Self> {
        if given.scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !given.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let take = |name: &str| {
            let found = given.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Some(Self::Bearer { realm: take("realm")?, service: take("service"), scope: take("scope") })
    }
}

/// A challenge of any scheme.
struct Given<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Splits `Scheme key="value", key = token, Scheme token68, ...`. What follows something malformed is left out.
fn split(text: &str) -> Vec<Given<'_>> {
    let mut found: Vec<Given<'_>> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (token, after) = rest.split_at(rest.find(|c| !is_token(c)).unwrap_or(rest.len()));
        if token.is_empty() {
            return found;
        }
        let value = after.trim_start_matches(BLANKS).strip_prefix('=');
        match (value, found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, after)) = parameter(value.trim_start_matches(BLANKS)) else { return found };
                challenge.parameters.push((token, value));
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push(Given { scheme: token, parameters: Vec::new() });
                rest = after_token68(after.trim_start_matches(BLANKS));
            }
        }
    }
}

/// Skips the token68 behind a scheme, if there is one: it is followed by nothing but a comma.
fn after_token68(text: &str) -> &str {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let after = text.trim_start_matches(legal);
    let behind = after.trim_start_matches('=').trim_start_matches(BLANKS);
    let is_one = after.len() < text.len() && (behind.is_empty() || behind.starts_with(','));
    if is_one { behind } else { text }
}

/// The value of a parameter, and what follows it. Some registries leave out the quotes where they are needed.
fn parameter(text: &str) -> Option<(String, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => {
            let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
            (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_challenges_of_all_headers_are_found() {
        let mut headers = HeaderMap::new();
        for value in ["Negotiate", "Basic realm=x, Bearer realm=\"https://a\"", "Bearer realm=\"https://b\""]
        {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        let found = Challenge::of(&headers);
        assert!(
            matches!(&found[..], [Challenge::Basic, Challenge::Bearer { realm, .. }, Challenge::Bearer { .. }] if realm == "https://a"),
            "{found:?}"
        );
    }

    #[test]
    fn challenges_are_read_in_every_form() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let text = |text: &str| text.to_owned();
            Some(Challenge::Bearer { realm: text(realm), service: service.map(text), scope: scope.map(text) })
        };
        let cases = [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            ("BEARER  realm = \"https://a\" , service\t=\ts", bearer("https://a", Some("s"), None)),
            ("Negotiate, Bearer realm=\"https://a\"", bearer("https://a", None, None)),
            ("Negotiate YII=, bearer Realm=https://a/t, SERVICE=s", bearer("https://a/t", Some("s"), None)),
            (
                "NTLM,Digest realm=\"x, y\", nonce=\"Bearer realm=z\", Bearer realm=\"https://a\"",
                bearer("https://a", None, None),
            ),
            ("Bearer service=s, Basic realm=\"x\"", Some(Challenge::Basic)),
            ("Negotiate Bearer realm=\"https://a\"", bearer("https://a", None, None)),
            ("realm=\"https://a\"", None),
            (
                r#"Bearer realm="https://a/token",service="r.io",scope="repository:a/b:pull,push""#,
                bearer("https://a/token", Some("r.io"), Some("repository:a/b:pull,push")),
            ),
            (r#"bearer service=s, realm="https://a/\"t""#, bearer("https://a/\"t", Some("s"), None)),
            ("Bearer service=s", None),
            (r#"Bearer realm="https://a"#, None),
            ("Negotiate", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Challenge::parse(text).into_iter().next(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Bearer )?[a-z=\", \\\\]{0,40}|\\PC{0,40}") {
            let _ = Challenge::parse(&text);
        }
    }
}
