//! Web pages of other origins (`server.cors`), off by default. Credentials are never allowed to them. Pages of an origin
//! that is named may read and write; `*` lets every page read, and none write (`cross_site`).

use actix_http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use actix_http::{Method, RequestHead, StatusCode};

use super::reply::{Reply, empty};
use crate::config::{Cors, CorsOrigin};

/// The answer to a preflight request (Fetch standard, "CORS-preflight request") of an allowed origin.
pub(super) fn preflight(cors: &Cors, request: &RequestHead) -> Option<Reply> {
    let asks =
        request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = asks.then(|| origin(request)).flatten()?;
    let methods = match cors.origins.iter().any(|allowed| allowed.names(origin)) {
        true => "GET, HEAD, POST, PUT, PATCH, DELETE",
        false if cors.origins.contains(&CorsOrigin::Any) => "GET, HEAD",
        false => return None,
    };
    let mut reply = empty(StatusCode::NO_CONTENT);
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Accept, Authorization, Content-Type, Content-Range, If-Match, If-None-Match, Range, X-Request-Id",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(reply)
}

/// Marks an answer as readable for the page that asked, if its origin is allowed.
pub(super) fn mark(cors: &Cors, request: &RequestHead, reply: &mut Reply) {
    if cors.origins.is_empty() {
        return;
    }
    let headers = reply.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed(cors, request) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "Content-Range, Docker-Content-Digest, ETag, Link, Location, OCI-Filters-Applied, OCI-Subject, \
                 OCI-Tag, Range, Warning, WWW-Authenticate, X-Request-Id",
            ),
        );
    }
}

fn allowed(cors: &Cors, request: &RequestHead) -> Option<HeaderValue> {
    let text = origin(request)?;
    let is_allowed = cors.origins.iter().any(|allowed| allowed.matches(text));
    is_allowed.then(|| request.headers.get(ORIGIN).cloned()).flatten()
}

fn origin(request: &RequestHead) -> Option<&str> {
    request.headers.get(ORIGIN)?.to_str().ok()
}
