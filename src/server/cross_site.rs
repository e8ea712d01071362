//! Requests that a web page of another site has caused.
//!
//! Browsers let any page send some requests to any server (forms, `multipart/form-data` and `text/plain` bodies), and
//! attach the credentials that they know for it. They also say where a request comes from, and pages cannot change that:
//! `Origin` (RFC 6454 section 7) and `Sec-Fetch-Site` (W3C Fetch Metadata). Clients that are no browsers send neither.

use actix_http::header::{HeaderName, ORIGIN};
use actix_http::{Method, RequestHead};

use super::authority::{HostKind, authority};
use crate::config::Server;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused.
pub(super) const RULE: &str = "\
    a web page of another site may not push, delete or change anything here (Origin, Sec-Fetch-Site); if the page is \
    yours, add its origin to server.cors.origins, or, if it is this registry's own, set server.external_url";

/// Whether a web page of another site has caused this request to change something.
pub(super) fn is_foreign_change(server: &Server, head: &RequestHead) -> bool {
    if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let mut origins = head.headers.get_all(ORIGIN);
    let may_write = match (origins.next(), origins.next()) {
        (None, _) => is_fetch_site_allowed(head),
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| {
            is_named(server, origin) || (is_own(server, head, origin) && is_fetch_site_allowed(head))
        }),
        // Which of several counts nobody can know.
        (Some(_), Some(_)) => false,
    };
    !may_write
}

/// Whether the settings name this origin. `*` names none: it lets every page read, never write.
fn is_named(server: &Server, origin: &str) -> bool {
    server.cors.origins.iter().any(|allowed| allowed.names(origin))
}

/// Whether the browser, if it is one, says that the request comes from a page of this server or from its user.
fn is_fetch_site_allowed(head: &RequestHead) -> bool {
    let mut values = head.headers.get_all(SEC_FETCH_SITE);
    let is_good = values.next().is_none_or(|value| value == "same-origin" || value == "none");
    is_good && values.next().is_none()
}

/// Whether `origin` is that of this server.
fn is_own(server: &Server, head: &RequestHead, origin: &str) -> bool {
    if let Some(url) = &server.external_url {
        return url.origin() == origin;
    }
    // Without TLS the scheme is known. A name proves nothing: its owner can let it resolve to this server.
    match authority(head) {
        Some((host, HostKind::Loopback | HostKind::Address)) => origin
            .strip_prefix("http://")
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host.strip_suffix(":80").unwrap_or(host))),
        _ => false,
    }
}
