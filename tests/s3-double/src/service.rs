//! The HTTP server around the S3 service: it reads each request whole, asks the plan, and answers or does not.

use std::collections::BTreeMap;
use std::io;
use std::net;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, StdError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::answer::{self, Answer, closed, whole};
use crate::fault::Effect;
use crate::plan::{Plan, Strike};
use crate::request::Arrived;
use crate::store::Store;
use crate::{ACCESS_KEY, SECRET_KEY};

pub(crate) struct Server {
    pub(crate) store: Store,
    s3: S3Service,
    plan: Mutex<Plan>,
    late: Mutex<Late>,
    /// Held while late requests arrive, so that each does so once and in its order.
    arriving: tokio::sync::Mutex<()>,
    /// Tells those who hang that it is over.
    released: watch::Sender<()>,
}

/// Requests on their way, in the order in which they were sent.
#[derive(Default)]
pub(crate) struct Late {
    waiting: BTreeMap<u64, Request<Bytes>>,
    added: u64,
}

/// Serves until `stopped`, then closes all connections and drops all that is under way.
pub(crate) fn run(server: Arc<Server>, listener: net::TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start a runtime");
    runtime.block_on(async {
        tokio::select! {
            result = listen(server, listener) => result.expect("listen"),
            _ = stopped => (),
        }
    });
}

async fn listen(server: Arc<Server>, listener: net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(Arc::clone(&server), stream));
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    let service = service_fn(|request| Arc::clone(&server).answer(request));
    // An error here is a client that went away or a connection that a fault closes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Server {
    pub(crate) fn new() -> Self {
        let store = Store::default();
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        Self {
            store,
            s3: builder.build(),
            plan: Mutex::default(),
            late: Mutex::default(),
            arriving: tokio::sync::Mutex::default(),
            released: watch::Sender::default(),
        }
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait of those who hang.
    pub(crate) fn release(&self) {
        self.released.send_replace(());
    }

    /// Lets late requests arrive that have not done so yet.
    pub(crate) async fn arrive(&self, ids: Vec<u64>) {
        let _turn = self.arriving.lock().await;
        for id in ids {
            let request = self.late().waiting.get(&id).cloned();
            if let Some(request) = request {
                // Nobody waits for the answer any more, whatever it is.
                let _ = self.perform(request).await;
                self.late().waiting.remove(&id);
            }
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return closed() };
        let request = Request::from_parts(head, body.to_bytes());
        // A task of its own: what has arrived whole is done, whether its client waits for it or not.
        tokio::spawn(self.handle(request)).await.unwrap_or_else(|_| closed())
    }

    async fn handle(self: Arc<Self>, mut request: Request<Bytes>) -> Answer {
        let arrived = Arrived::read(&request);
        // From before the judgement, so that no release is missed.
        let mut released = self.released.subscribe();
        let Some(Strike { effect, seen }) = self.plan().judge(&arrived) else {
            return whole(self.perform(request).await?);
        };
        match effect {
            Effect::LoseAnswer => {
                self.perform(request).await?;
                closed()
            }
            Effect::CutBefore => closed(),
            Effect::Fail { status, code } => answer::error(status, code),
            Effect::FailAfter { status, code } => {
                self.perform(request).await?;
                answer::error(status, code)
            }
            Effect::PlainFail { status } => answer::plain(status),
            Effect::Late { after } => {
                self.send_late(request, after);
                closed()
            }
            Effect::Delay(time) => {
                tokio::time::sleep(time).await;
                whole(self.perform(request).await?)
            }
            Effect::Hang => {
                // An error means that the double is gone.
                let _ = released.changed().await;
                closed()
            }
            Effect::Truncate => answer::truncated(self.perform(request).await?),
            Effect::Drip { piece, pause } => answer::dripping(self.perform(request).await?, piece, pause),
            Effect::CorruptBody => answer::corrupted(self.perform(request).await?),
            Effect::StaleListing => {
                request.extensions_mut().insert(seen);
                whole(self.perform(request).await?)
            }
        }
    }

    fn send_late(self: Arc<Self>, request: Request<Bytes>, after: Duration) {
        let id = self.late().add(request);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            self.arrive(vec![id]).await;
        });
    }

    /// The S3 service sees the request as it came: its signature covers head and body.
    async fn perform(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let response = self.s3.call(request.map(Body::from)).await.map_err(unanswerable)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(unanswerable)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl Late {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.waiting.keys().copied().collect()
    }

    fn add(&mut self, request: Request<Bytes>) -> u64 {
        let id = self.added;
        self.added += 1;
        self.waiting.insert(id, request);
        id
    }
}

fn unanswerable(error: impl Into<StdError>) -> io::Error {
    io::Error::other(error)
}
