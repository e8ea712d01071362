//! The HTTP/1.1 listener: sockets and workers in, requests out.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_http::{Extensions, HttpService, KeepAlive};
use actix_web::dev::{Server, ServerHandle, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::System;
use actix_web::rt::net::TcpStream;
use tokio::sync::oneshot;

use super::connection::Connection;
use super::limits::Limits;
use super::{Services, create_app};

/// How long a connection is read on after it was refused, so that the client sees the answer and no reset.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of an answer collected before they are written to the socket.
const WRITE_BUFFER: usize = 64 * 1024;

/// How to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that answer requests; at least 1.
    pub workers: usize,
    /// Connections per worker; more wait in the backlog.
    pub max_connections: usize,
    pub backlog: u32,
    pub limits: Limits,
}

impl Default for Options {
    /// A free port of the loopback interface, two workers.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            workers: 2,
            max_connections: 16_384,
            backlog: 1024,
            limits: Limits::default(),
        }
    }
}

/// A server that answers requests on threads of its own.
pub struct RunningServer {
    addr: SocketAddr,
    services: Arc<Services>,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// Binds and starts to answer. Returns once connections are accepted.
pub fn start(services: Arc<Services>, options: Options) -> io::Result<RunningServer> {
    let listener = TcpListener::bind(options.listen)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let (started, starting) = std::sync::mpsc::sync_channel(1);
    let (end, ended) = oneshot::channel();
    let app = Arc::clone(&services);
    thread::Builder::new().name("http".into()).spawn(move || {
        System::new().block_on(async move {
            let server = match serve(listener, app, &options) {
                Ok(server) => server,
                Err(error) => return drop(started.send(Err(error))),
            };
            // The receivers are gone only when nobody is interested any more.
            let _ = started.send(Ok(server.handle()));
            let _ = end.send(server.await);
        });
    })?;
    let handle = starting.recv().map_err(io::Error::other)??;
    Ok(RunningServer { addr, services, handle, ended })
}

impl RunningServer {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Stops accepting, and returns at once. With `graceful`, requests in flight may finish until the limit for
    /// draining; without, they are cut.
    pub fn stop(&self, graceful: bool) {
        self.services.drain();
        // The command is sent when the future is made; its end is that of the listener.
        drop(self.handle.stop(graceful));
    }

    /// Waits until the listener has ended, for whatever reason.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended).await.unwrap_or(Ok(()))
    }
}

fn serve(listener: TcpListener, services: Arc<Services>, options: &Options) -> io::Result<Server> {
    let limits = options.limits;
    let builder = Server::build()
        .workers(options.workers)
        .max_concurrent_connections(options.max_connections)
        .backlog(options.backlog)
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let connections = move || {
        let (draining, services) = (draining.clone(), Arc::clone(&services));
        fn_factory(move || {
            let draining = draining.clone();
            let protocol = HttpService::build()
                .keep_alive(KeepAlive::Timeout(limits.keep_alive))
                .client_request_timeout(limits.head)
                .client_disconnect_timeout(LINGER)
                .h1_write_buffer_size(WRITE_BUFFER)
                .graceful_shutdown_signal(move || {
                    let draining = draining.clone();
                    async move { draining.notified().await }
                })
                .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
                    data.insert(connection.in_hand());
                })
                .h1(create_app(Arc::clone(&services)))
                .new_service(());
            async move {
                let protocol = Rc::new(protocol.await?);
                Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    protocol.call((Connection::new(stream, &limits), peer))
                }))
            }
        })
    };
    Ok(builder.listen("charthouse", listener, connections)?.run())
}
