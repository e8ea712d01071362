//! A proxy that counts the HTTP requests which go through it to an S3 server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What went through, by method.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub put: u64,
    pub get: u64,
    pub other: u64,
}

impl Counts {
    pub fn total(self) -> u64 {
        self.put + self.get + self.other
    }
}

#[derive(Default)]
struct Counters([AtomicU64; 3]);

impl Counters {
    fn add(&self, method: &Method) {
        let at = match *method {
            Method::PUT => 0,
            Method::GET => 1,
            _ => 2,
        };
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> Counts {
        let [put, get, other] = self.0.each_ref().map(|counter| counter.swap(0, Ordering::Relaxed));
        Counts { put, get, other }
    }
}

/// Dropping it ends it.
pub struct CountingProxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CountingProxy {
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let counters = Arc::<Counters>::default();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counting = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("proxy".into()).spawn(move || {
            let served = runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, target, counting) => served,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = served {
                eprintln!("bench: the counting proxy ended: {error:#}");
            }
        })?;
        Ok(Self { address, counters, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has gone through since it was asked last.
    pub fn take(&self) -> Counts {
        self.counters.take()
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: std::net::TcpListener, target: SocketAddr, counters: Arc<Counters>) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let client =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(HttpConnector::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, counters) = (client.clone(), Arc::clone(&counters));
        tokio::spawn(async move {
            let forward = service_fn(|request| forward(&client, target, &counters, request));
            // A connection that breaks is the business of its ends.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), forward)
                .await;
        });
    }
}

/// The request as it came, with its `Host`, which is signed.
async fn forward(
    client: &Client<HttpConnector, Incoming>,
    target: SocketAddr,
    counters: &Counters,
    mut request: Request<Incoming>,
) -> Result<hyper::Response<Incoming>> {
    counters.add(request.method());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{target}{path}").parse::<Uri>().context("a path")?;
    Ok(client.request(request).await?)
}
