//! HTTP: the only user of actix. Holds no rules of the domain.
//!
//! A request goes through one function, `handle`: it gets an id, becomes an `Action` of `oci::route`, is decided
//! on by `auth`, and is answered by the face its action belongs to.

mod access_log;
mod body;
mod connection;
mod exchange;
mod headers;
mod health;
mod limits;
mod listener;
mod relay;
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
use bytes::Bytes;

use crate::clock::Clock;
use body::RequestBody;
use connection::InHand;
use exchange::{Exchange, RequestIds, X_REQUEST_ID};
use reply::{Body, Reply};

pub use limits::Limits;
pub use listener::{Options, RunningServer, start};

/// What requests are answered from.
pub struct Services {
    ids: RequestIds,
    limits: Limits,
    health_path: String,
    draining: AtomicBool,
}

impl Services {
    pub fn new(clock: &dyn Clock) -> Self {
        Self {
            ids: RequestIds::new(clock),
            limits: Limits::default(),
            health_path: "/health".into(),
            draining: AtomicBool::new(false),
        }
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
        exchange.log(&id, request.method(), request.peer_addr().map(|peer| peer.ip()));
    }
    let payload = request.take_payload();
    let mut body = RequestBody::new(payload, content_length(&request), services.limits);
    let mut reply = answer(&services, request.head(), &mut body).await;
    reply.headers_mut().insert(X_REQUEST_ID, id);
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
    if path == services.health_path {
        return health::health(services).await;
    }
    reply::whole(StatusCode::NOT_FOUND, headers::TEXT, "nothing is here\n")
}

/// The declared length of the body; actix has refused what is not a number.
fn content_length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
