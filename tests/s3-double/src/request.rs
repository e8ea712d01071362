//! Reads from a request what a fault may ask: its operation and the keys it names.

use bytes::Bytes;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

use crate::counts::Operation;

pub(crate) struct Arrived {
    pub(crate) operation: Operation,
    /// Keys, the prefix of a listing, or the body of a DeleteObjects as it is.
    pub(crate) keys: Vec<String>,
}

impl Arrived {
    pub(crate) fn read(request: &Request<Bytes>) -> Self {
        let path = decode(request.uri().path());
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_bucket, key)| key);
        let operation = operation(request, !key.is_empty());
        let keys = match operation {
            Operation::List => parameter(request, "prefix").into_iter().collect(),
            Operation::Delete if key.is_empty() => vec![String::from_utf8_lossy(request.body()).into_owned()],
            Operation::Copy => vec![key.to_owned(), decode(copy_source(request).unwrap_or_default())],
            _ => vec![key.to_owned()],
        };
        Self { operation, keys }
    }
}

fn operation(request: &Request<Bytes>, has_key: bool) -> Operation {
    match (request.method(), has_key) {
        (&Method::PUT, true) if copy_source(request).is_some() => Operation::Copy,
        (&Method::PUT, true) => Operation::Put,
        (&Method::GET, true) => Operation::Get,
        (&Method::HEAD, true) => Operation::Head,
        (&Method::DELETE, true) => Operation::Delete,
        (&Method::GET, false) if parameter(request, "list-type").is_some() => Operation::List,
        (&Method::POST, false) if parameter(request, "delete").is_some() => Operation::Delete,
        _ => Operation::Other,
    }
}

fn copy_source(request: &Request<Bytes>) -> Option<&str> {
    request.headers().get("x-amz-copy-source")?.to_str().ok()
}

fn parameter(request: &Request<Bytes>, wanted: &str) -> Option<String> {
    let pairs = request.uri().query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| decode(value)).next()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_and_keys_are_read_from_path_and_query() {
        let cases: [(Method, &str, &str, Operation, &[&str]); 9] = [
            (Method::PUT, "/charts/ns/a%20b?x-id=PutObject", "", Operation::Put, &["ns/a b"]),
            (Method::GET, "/charts/ns/key", "", Operation::Get, &["ns/key"]),
            (Method::HEAD, "/charts/ns/key", "", Operation::Head, &["ns/key"]),
            (Method::DELETE, "/charts/ns/key", "", Operation::Delete, &["ns/key"]),
            (Method::POST, "/charts?delete", "<Key>ns/key</Key>", Operation::Delete, &["<Key>ns/key</Key>"]),
            (Method::POST, "/charts/?delete=", "", Operation::Delete, &[""]),
            (
                Method::GET,
                "/charts/?list-type=2&prefix=ns%2F_journal%2F",
                "",
                Operation::List,
                &["ns/_journal/"],
            ),
            (Method::GET, "/charts?list-type=2", "", Operation::List, &[]),
            (Method::PUT, "/charts", "", Operation::Other, &[""]),
        ];
        for (method, uri, body, operation, keys) in cases {
            let request =
                Request::builder().method(method).uri(uri).body(Bytes::from(body)).expect("a request");
            let arrived = Arrived::read(&request);
            assert_eq!(
                (arrived.operation, arrived.keys),
                (operation, keys.iter().map(|key| key.to_string()).collect())
            );
        }
    }

    #[test]
    fn a_copy_names_both_keys() {
        let request = Request::builder()
            .method(Method::PUT)
            .uri("/charts/new")
            .header("x-amz-copy-source", "charts/the%2Fold")
            .body(Bytes::new())
            .expect("a request");
        let arrived = Arrived::read(&request);
        assert_eq!(arrived.operation, Operation::Copy);
        assert_eq!(arrived.keys, ["new", "charts/the/old"]);
    }
}
