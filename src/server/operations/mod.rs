//! The listener for those who run the server: metrics and probes, and nothing of the registry
//! (docs/internals/threat-model.md#a1-registry-servers, T15). It asks for no authentication, which is why it
//! is a listener of its own.

mod metrics;
mod probes;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_http::{Method, Request, Response, StatusCode};
use anyhow::Context;
use bytes::Bytes;
use tracing::{info, warn};

use super::Services;
use super::connection::InHand;
use super::framing::BodyFraming;
use super::headers::{NO_STORE, TEXT};
use super::limits::Limits;
use super::listener::{Listener, Place};
use super::sandbox::sandbox;
use crate::config::{Listen, Loaded};

/// Enough for several scrapers and probes.
const CONNECTIONS: usize = 64;

/// The listener of one server; dropping it ends it.
pub struct Operations(Listener);

/// Starts to tell about `services` at `addr`, where port 0 takes a free one.
pub fn start(addr: SocketAddr, services: Arc<Services>) -> io::Result<Operations> {
    let limits = Limits::default();
    let place = Place { name: "operations", addr, workers: 1, connections: CONNECTIONS, limits };
    let answer = move |request| Box::pin(handle(Arc::clone(&services), request));
    Ok(Operations(Listener::start(place, answer)?))
}

/// Starts the listener that the settings ask for, if they do.
///
/// # Errors
/// An address that was asked for and cannot be had. The default one can be done without, so that a second server on a
/// machine starts.
pub(super) fn open(loaded: &Loaded, services: &Arc<Services>) -> anyhow::Result<Option<Operations>> {
    let Listen::At(addr) = loaded.settings.metrics.listen else { return Ok(None) };
    match start(addr, Arc::clone(services)) {
        Ok(operations) => {
            info!(target: "charthouse", "metrics on http://{}", operations.addr());
            Ok(Some(operations))
        }
        Err(error) if loaded.is_default("metrics.listen") => {
            warn!(
                target: "charthouse",
                "no metrics and probes: cannot listen on {addr}: {error} \
                 (metrics.listen names another address, or off)"
            );
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| {
            format!("metrics.listen: cannot listen on {addr} (name another address, or off)")
        }),
    }
}

impl Operations {
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        self.0.stop(false);
    }
}

async fn handle(services: Arc<Services>, mut request: Request) -> Result<Response<Bytes>, Infallible> {
    let body = BodyFraming::of(&mut request);
    // The connection's deadlines go by it.
    let in_hand = request.conn_data::<InHand>();
    if let Some(in_hand) = in_hand {
        in_hand.begin(body);
    }
    let answer = answer(&services, request.method(), request.path()).await;
    if let Some(in_hand) = in_hand {
        in_hand.end();
    }
    Ok(answer.into_response())
}

async fn answer(services: &Services, method: &Method, path: &str) -> Answer {
    let known = ["/metrics", "/livez", "/readyz", "/startupz", "/version"];
    if known.contains(&path) && !matches!(*method, Method::GET | Method::HEAD) {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    }
    match path {
        "/metrics" => metrics::metrics(services).await,
        "/livez" => Answer::text(StatusCode::OK, "alive\n"),
        "/readyz" => probes::ready(services).await,
        "/startupz" => Answer::text(StatusCode::OK, "started\n"),
        "/version" => probes::version(services),
        _ => Answer::text(StatusCode::NOT_FOUND, "nothing is here\n"),
    }
}

struct Answer {
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
}

impl Answer {
    fn text(status: StatusCode, body: &'static str) -> Self {
        Self { status, content_type: TEXT, body: Bytes::from_static(body.as_bytes()) }
    }

    fn into_response(self) -> Response<Bytes> {
        let mut response = Response::with_body(self.status, self.body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        sandbox(headers);
        response
    }
}
