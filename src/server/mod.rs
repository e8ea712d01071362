//! HTTP: the only user of actix. Holds no rules of the domain.
//!
//! A request goes through one function, `handle`: it gets an id, becomes an `Action` of `oci::route`, is decided
//! on by `auth`, and is answered by the face its action belongs to.

mod access_log;
mod api;
mod ask;
mod authority;
mod body;
mod conditions;
mod connection;
mod cors;
mod counts;
mod cross_site;
mod dispatch;
mod download;
mod error;
mod exchange;
mod framing;
mod headers;
mod health;
mod home;
mod limits;
mod listener;
mod local_only;
mod museum;
mod oci;
mod open;
pub mod operations;
mod relay;
mod remote;
mod reply;
mod repository;
mod sandbox;
mod screen;
mod shutdown;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_http::header::WARNING;
use actix_http::{HttpMessage, Method, Request, RequestHead, Response, StatusCode};
use anyhow::Context;
use tokio::runtime::Handle;
use tracing::info;

use crate::auth::{Policy, Principal};
use crate::backend::{HttpRequests, Requests};
use crate::clock::{Clock, Timestamp};
use crate::config::{Loaded, Settings};
use crate::journal::{DamageCounts, noticed};
use crate::oci::{route, without_extra_slashes};
use crate::registry::Registry;
use ask::Ask;
use body::RequestBody;
use connection::InHand;
use counts::Counts;
use error::{Failure, Form};
use exchange::{Exchange, RequestIds, X_REQUEST_ID};
use framing::BodyFraming;
use health::Probe;
use relay::Bodies;
use remote::remote;
use reply::{Body, Reply};
use shutdown::{Signals, until_signalled};

pub use limits::Limits;
pub use listener::{RunningServer, start};
pub use open::{open, open_backend, open_for_reading};

/// Serves until SIGTERM or SIGINT, and then until requests in flight have ended.
///
/// # Errors
/// What keeps the server from starting, from going on, or from ending in peace.
pub fn run(loaded: Loaded) -> anyhow::Result<()> {
    // Threads of its own for the storage: it outlives every worker that answers requests.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("store").build()?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen()?;
        let services = open(loaded.settings.clone()).await?;
        let listen = services.settings.server.listen;
        let mut server = start(Arc::new(services))
            .with_context(|| format!("cannot listen on {listen} (`--listen` names another address)"))?;
        // Until the end: it tells that this server is going away.
        let _operations = operations::open(&loaded, server.services())?;
        info!(target: "charthouse", "listening on http://{}", server.addr());
        until_signalled(&mut server, signals).await
    });
    // A second signal does not wait for a store that hangs.
    runtime.shutdown_background();
    ended
}

/// What requests are answered from.
pub struct Services {
    settings: Settings,
    /// Those of the settings; a test may set others before it starts a server.
    pub limits: Limits,
    /// What is counted of the storage, when it was opened so.
    pub storage: StorageCounts,
    policy: Policy,
    /// Everybody, as long as nobody can log in.
    anonymous: Principal,
    registry: Arc<Registry>,
    /// The runtime that owns the storage and its writers.
    store: Handle,
    bodies: Bodies,
    ids: RequestIds,
    probe: Probe,
    counts: Counts,
    started: Instant,
    started_at: Timestamp,
    /// Since when.
    draining: OnceLock<Instant>,
}

#[derive(Default)]
pub struct StorageCounts {
    pub requests: Arc<Requests>,
    /// None where the storage is not asked over HTTP.
    pub http: Option<Arc<HttpRequests>>,
    /// What was found damaged in it.
    pub damage: Arc<DamageCounts>,
}

impl Services {
    /// `store` is the runtime that `registry` was opened on.
    pub fn new(settings: Settings, registry: Arc<Registry>, store: Handle, clock: &dyn Clock) -> Self {
        Self {
            limits: Limits::of(&settings.server),
            policy: Policy::new(&settings.auth),
            anonymous: Principal::anonymous(),
            ids: RequestIds::new(clock),
            bodies: Bodies::default(),
            probe: Probe::default(),
            storage: StorageCounts::default(),
            counts: Counts::default(),
            started: Instant::now(),
            started_at: clock.now(),
            draining: OnceLock::new(),
            settings,
            registry,
            store,
        }
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// From now on `/health` and `/readyz` say that this server is going away.
    pub fn drain(&self) {
        self.draining.get_or_init(Instant::now);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }
}

/// Answers every request: the application, for the binary and for tests.
async fn handle(services: Arc<Services>, mut request: Request) -> Result<Response<Body>, Infallible> {
    let in_hand = request.conn_data::<InHand>().cloned();
    let framing = BodyFraming::of(&mut request);
    let mut exchange = Exchange::begin(Arc::clone(&services), in_hand.clone(), framing);
    let id = services.ids.of(request.headers());
    if access_log::wanted() {
        let trusted = &services.settings.server.trusted_proxies;
        let remote = request.peer_addr().map(|peer| remote(peer.ip(), request.headers(), trusted));
        exchange.log(&id, request.method(), remote);
    }
    let payload = request.take_payload();
    let length = framing::content_length(request.head());
    let mut body = RequestBody::new(payload, in_hand, length, services.limits);
    let asked = Asked { services: &services, head: request.head(), id: id.to_str().unwrap_or_default() };
    let mut reply = answer(asked, &mut body, &mut exchange).await;
    reply.headers_mut().insert(X_REQUEST_ID, id);
    sandbox::sandbox(reply.headers_mut());
    cors::mark(&services.settings.server.cors, request.head(), &mut reply);
    exchange.answered(reply.status(), body.received());
    let head_only = request.method() == Method::HEAD;
    Ok(reply.map_body(|_, content| {
        let content = if head_only { content.announced() } else { content };
        Body::new(content, exchange)
    }))
}

/// A request, without its body.
#[derive(Clone, Copy)]
struct Asked<'a> {
    services: &'a Services,
    head: &'a RequestHead,
    /// The request id.
    id: &'a str,
}

async fn answer(asked: Asked<'_>, body: &mut RequestBody, exchange: &mut Exchange) -> Reply {
    let Asked { services, head, .. } = asked;
    let (path, service) = (head.uri.path(), &services.settings.service);
    if let Err(refusal) = screen::screen(services, head) {
        exchange.describe_path(path);
        return refusal.reply(Form::of(path), asked.id, None);
    }
    if path == service.healthcheck.as_str() {
        exchange.is_about_health();
        return health::health(services).await;
    }
    if let Some(reply) = cors::preflight(&services.settings.server.cors, head) {
        return reply;
    }
    let (query, form) = (head.uri.query(), Form::of(path));
    match route(head.method.as_str(), path, query, service.healthcheck.component()) {
        Err(refusal) => {
            exchange.describe_path(path);
            match without_extra_slashes(head.method.as_str(), path, query, service.healthcheck.component()) {
                Some(target) => reply::moved(&target),
                None => Failure::Request(refusal).reply(form, asked.id, None),
            }
        }
        Ok(action) => {
            exchange.describe(&action);
            let ask = &mut Ask { services, head, body, id: asked.id, principal: services.anonymous.clone() };
            let answered = pin!(async {
                ask.admit(&action)?;
                dispatch::answer(ask, &action).await
            });
            let (answered, behind) = relay::here(&services.store, noticed(answered)).await;
            let refused = |failure: Failure| failure.reply(form, asked.id, action.repository());
            let mut reply = answered.unwrap_or_else(refused);
            if behind && reply.status() == StatusCode::NOT_FOUND {
                // No trouble of the store is a 404.
                reply = refused(Failure::Behind);
            } else if behind {
                reply.headers_mut().append(WARNING, headers::STALE);
            }
            reply
        }
    }
}
