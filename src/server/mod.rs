//! HTTP: the only user of actix. Holds no rules of the domain.
//!
//! A request goes through one function, `handle`: it gets an id, becomes an `Action` of `oci::route`, is decided
//! on by `auth`, and is answered by the face its action belongs to.

mod access_log;
mod body;
mod connection;
mod cors;
mod exchange;
mod headers;
mod health;
mod limits;
mod listener;
mod relay;
mod remote;
mod reply;
mod shutdown;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_http::header::CONTENT_LENGTH;
use actix_http::{HttpMessage, Method, Request, RequestHead, Response, StatusCode};
use actix_web::dev::{ServiceFactory, fn_service};

use crate::clock::Clock;
use crate::config::Settings;
use body::RequestBody;
use connection::InHand;
use exchange::{Exchange, RequestIds, X_REQUEST_ID};
use remote::remote;
use reply::{Body, Reply};

pub use limits::Limits;
pub use listener::{RunningServer, start};

/// What requests are answered from.
pub struct Services {
    settings: Settings,
    /// Those of the settings; a test may set others before it starts a server.
    pub limits: Limits,
    ids: RequestIds,
    draining: AtomicBool,
}

impl Services {
    pub fn new(settings: Settings, clock: &dyn Clock) -> Self {
        let limits = Limits::of(&settings.server);
        Self { settings, limits, ids: RequestIds::new(clock), draining: AtomicBool::new(false) }
    }

    /// From now on `/health` says that this server is going away.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The application, for the binary and for tests: one service that answers every request.
pub(crate) fn create_app(
    services: Arc<Services>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<Body>,
    Error = Infallible,
    InitError = (),
    Future: 'static,
    Service: actix_web::dev::Service<Request, Future: 'static>,
> {
    // Boxed: a connection has room for its request's future, and an idle one should not hold kilobytes for it.
    fn_service(move |request| Box::pin(handle(Arc::clone(&services), request)))
}

async fn handle(services: Arc<Services>, mut request: Request) -> Result<Response<Body>, Infallible> {
    let mut exchange = Exchange::begin(request.conn_data::<InHand>().cloned());
    let id = services.ids.of(request.headers());
    if access_log::wanted() {
        let trusted = &services.settings.server.trusted_proxies;
        let remote = request.peer_addr().map(|peer| remote(peer.ip(), request.headers(), trusted));
        exchange.log(&id, request.method(), remote);
    }
    let payload = request.take_payload();
    let mut body = RequestBody::new(payload, content_length(&request), services.limits);
    let mut reply = answer(&services, request.head(), &mut body).await;
    reply.headers_mut().insert(X_REQUEST_ID, id);
    cors::mark(&services.settings.server.cors, request.head(), &mut reply);
    if let Some(line) = exchange.line() {
        line.status = reply.status();
        line.received = body.received();
    }
    let head_only = request.method() == Method::HEAD;
    Ok(reply.map_body(|_, content| {
        let content = if head_only { content.announced() } else { content };
        Body::new(content, exchange)
    }))
}

async fn answer(services: &Services, request: &RequestHead, body: &mut RequestBody) -> Reply {
    let path = request.uri.path();
    if path == services.settings.service.healthcheck.as_str() {
        return health::health(services).await;
    }
    if let Some(reply) = cors::preflight(&services.settings.server.cors, request) {
        return reply;
    }
    reply::whole(StatusCode::NOT_FOUND, headers::TEXT, "nothing is here\n")
}

/// The declared length of the body; actix has refused what is not a number.
fn content_length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
