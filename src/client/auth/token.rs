//! Getting a token from the realm that a registry names (distribution: "Token authentication").

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::credentials::Credentials;
use crate::client::answer;
use crate::client::body::Body;
use crate::client::error::ClientError;
use crate::client::transport::{Request, Transport, bare, is_private};

const MAX_REPLY: u64 = 128 * 1024;
/// What the protocol says a token is good for when its reply does not.
const SHORTEST: u64 = 60;
const LONGEST: u64 = 24 * 60 * 60;

pub struct Token {
    pub header: HeaderValue,
    pub good_for: Duration,
}

/// What to ask a token for.
pub struct Ask<'a> {
    pub registry: &'a Url,
    pub realm: &'a str,
    pub service: Option<&'a str>,
    pub scopes: &'a [String],
}

/// # Errors
/// `Refused` when the realm is where credentials must not go, before anything is sent.
pub async fn fetch(
    transport: &Transport,
    ask: &Ask<'_>,
    credentials: Option<&Credentials>,
) -> Result<Token, ClientError> {
    let realm = checked_realm(ask.registry, ask.realm, credentials.is_some())?;
    let request = match credentials {
        Some(Credentials { refresh: Some(token), .. }) => exchange(realm, ask, token),
        other => get(realm, ask, other),
    };
    let response = transport.expect(&request).await?;
    let body = answer::body(&request.what(), response, MAX_REPLY).await?;
    read(&request.what(), &body)
}

fn get(mut url: Url, ask: &Ask<'_>, credentials: Option<&Credentials>) -> Request {
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = ask.service {
            query.append_pair("service", service);
        }
        for scope in ask.scopes {
            query.append_pair("scope", scope);
        }
        if let Some(password) = credentials.and_then(|given| given.password.as_ref()) {
            query.append_pair("account", &password.username);
        }
    }
    let mut request = Request::new(Method::GET, url).header(ACCEPT, "application/json");
    request.authorization = credentials.and_then(Credentials::basic);
    request
}

/// A refresh token, which Docker stores as `identitytoken`, is exchanged by POST.
fn exchange(realm: Url, ask: &Ask<'_>, token: &str) -> Request {
    let scopes = ask.scopes.join(" ");
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "charthouse"),
        ("service", ask.service.unwrap_or_default()),
        ("scope", &scopes),
    ];
    let written =
        fields.map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let body = written.join("&");
    Request::new(Method::POST, realm)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::Bytes(body.into()))
}

fn read(what: &str, body: &[u8]) -> Result<Token, ClientError> {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        access_token: Option<String>,
        #[serde(default)]
        expires_in: Value,
    }
    let wrong = |why: &str| ClientError::Refused(format!("{what} was answered with {why}"));
    // An array would be taken for the fields in their order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let reply = serde_json::from_slice(body).ok().filter(|_: &Reply| is_object);
    let reply = reply.ok_or_else(|| wrong("something that is no token reply"))?;
    let given = [reply.access_token, reply.token].into_iter().flatten().find(|token| !token.is_empty());
    let token = given.ok_or_else(|| wrong("no token"))?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| wrong("a token that no header can hold"))?;
    header.set_sensitive(true);
    let seconds = seconds(&reply.expires_in).unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST);
    Ok(Token { header, good_for: Duration::from_secs(seconds) })
}

/// Some realms write the number as text, or with a fraction; Go's clients do not look at it at all.
fn seconds(expires_in: &Value) -> Option<u64> {
    match expires_in {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64)),
        Value::String(text) => text.trim().parse::<f64>().ok().map(|seconds| seconds as u64),
        _ => None,
    }
}

/// Where credentials may go: to the registry's own host, or encrypted to one of the same site. Without credentials,
/// to any host that is encrypted and public.
fn checked_realm(registry: &Url, realm: &str, with_credentials: bool) -> Result<Url, ClientError> {
    let parsed =
        Url::parse(realm).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(mut url) = parsed else {
        return Err(ClientError::Refused(format!("{} names a realm that is no URL", bare(registry))));
    };
    // Whatever user and password a realm carries, they are not ours.
    let (_, _) = (url.set_username(""), url.set_password(None));
    let refused = |why: &str| {
        let (registry, realm) = (bare(registry), bare(&url));
        Err(ClientError::Refused(format!("{registry} wants a token to be fetched from {realm}: {why}")))
    };
    if registry.scheme() == "https" && url.scheme() == "http" {
        return refused("that is not encrypted");
    }
    if registry.host() == url.host() {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return refused("another host must be asked over https");
    }
    if is_private(&url) {
        return refused("that is a private address");
    }
    if with_credentials && !same_site(registry, &url) {
        return refused("credentials go to hosts of the registry's own site only");
    }
    Ok(url)
}

/// Whether two names end in the same registrable domain, as near as one comes without a list of public suffixes:
/// the last two labels, or three where the second-level one is as short as those of `co.uk` and `com.au`.
fn same_site(one: &Url, other: &Url) -> bool {
    let (Some(one), Some(other)) = (one.domain(), other.domain()) else { return false };
    let site = |name: &str| {
        let labels: Vec<String> = name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect();
        let short = labels.len() > 1 && labels[0].len() == 2 && labels[1].len() <= 3;
        let count = if short { 3 } else { 2 };
        (labels.len() >= count).then(|| labels[..count].to_vec())
    };
    site(one).is_some_and(|site_of_one| site(other) == Some(site_of_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_within_the_site() {
        let cases = [
            ("https://r.io/v2/", "https://r.io/token", true, true),
            ("https://r.io/v2/", "https://r.io:8443/token", true, true),
            ("https://r.io/v2/", "http://r.io/token", true, false),
            ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", true, true),
            ("https://registry.gitlab.com/v2/", "https://gitlab.com/jwt/auth", true, true),
            ("https://registry.example.co.uk/v2/", "https://evil.co.uk/token", true, false),
            ("https://r.example.co.uk/v2/", "https://auth.example.co.uk/token", true, true),
            ("https://r.io/v2/", "https://evil.io/token", true, false),
            ("https://r.io/v2/", "https://evil.io/token", false, true),
            ("https://r.io/v2/", "https://127.0.0.1/token", false, false),
            ("https://r.io/v2/", "https://169.254.169.254/token", false, false),
            ("http://localhost:5000/v2/", "http://localhost:5001/token", true, true),
            ("http://localhost:5000/v2/", "http://evil.io/token", false, false),
            ("http://10.0.0.1/v2/", "https://10.0.0.2/token", true, false),
            ("https://r.io/v2/", "token", true, false),
            ("https://r.io/v2/", "file:///etc/passwd", true, false),
        ];
        for (registry, realm, with_credentials, expected) in cases {
            let allowed = checked_realm(&Url::parse(registry).unwrap(), realm, with_credentials);
            assert_eq!(allowed.is_ok(), expected, "{registry} {realm} {allowed:?}");
        }
        let url = checked_realm(&Url::parse("https://r.io").unwrap(), "https://u:p@r.io/t", true).unwrap();
        assert_eq!(url.as_str(), "https://r.io/t");
    }

    #[test]
    fn a_reply_has_a_token_under_either_name() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"access_token":"t","token":"other"}"#,
            r#"{"access_token":"","token":"t"}"#,
        ] {
            let token = read("GET x", body.as_bytes()).unwrap();
            assert_eq!((token.header.to_str().unwrap(), token.good_for.as_secs()), ("Bearer t", 60));
        }
        for (expires_in, seconds) in [
            ("300", 300),
            ("300.9", 300),
            ("\"300\"", 300),
            ("\" 3600.5 \"", 3600),
            ("null", 60),
            ("-1", 60),
            ("\"soon\"", 60),
            ("[]", 60),
            ("1e300", 86_400),
            ("\"NaN\"", 60),
        ] {
            let body = format!(r#"{{"token":"t","expires_in":{expires_in},"issued_at":5}}"#);
            assert_eq!(read("x", body.as_bytes()).unwrap().good_for.as_secs(), seconds, "{expires_in}");
        }
        for body in ["{}", "[]", r#"["t"]"#, "", r#"{"token":"a\nb"}"#] {
            assert!(read("GET x", body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_request_asks_for_service_and_every_scope() {
        let registry = Url::parse("https://r.io/").unwrap();
        let scopes = ["repository:a:pull".to_owned(), "repository:b:pull".to_owned()];
        let ask = Ask { registry: &registry, realm: "", service: Some("r.io"), scopes: &scopes };
        let request = get(Url::parse("https://r.io/token?x=1").unwrap(), &ask, None);
        let expected =
            "https://r.io/token?x=1&service=r.io&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull";
        assert_eq!(request.url.as_str(), expected);
        assert!(request.authorization.is_none());
    }
}
