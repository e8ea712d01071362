//! The HTTP/1.1 listeners: sockets and workers in, requests out.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{Extensions, HttpService, KeepAlive, Request, Response};
use actix_web::dev::{Server, ServerHandle, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::System;
use actix_web::rt::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::limits::Limits;
use super::{Services, handle};

/// How long a connection is read on after it was refused, so that the client sees the answer and no reset.
const LINGER: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Bytes of an answer collected before they are written to the socket: most charts fit, so they go out in one write.
const WRITE_BUFFER: usize = 128 * 1024;

/// A server that answers requests on threads of its own.
pub struct RunningServer {
    listener: Listener,
    services: Arc<Services>,
}

/// Binds `server.listen`, where port 0 takes a free one, and starts to answer. Returns once connections are accepted.
pub fn start(services: Arc<Services>) -> io::Result<RunningServer> {
    let settings = &services.settings.server;
    let workers = match settings.workers {
        0 => thread::available_parallelism()?.get(),
        workers => workers,
    };
    let place = Place {
        name: "http",
        addr: settings.listen,
        workers,
        connections: settings.limits.connections,
        limits: services.limits,
    };
    let shared = Arc::clone(&services);
    // Boxed: a connection has room for its request's future, and an idle one should not hold kilobytes for it.
    let answer = move |request| Box::pin(handle(Arc::clone(&shared), request));
    let listener = Listener::start(place, answer)?;
    Ok(RunningServer { listener, services })
}

impl RunningServer {
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr
    }

    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Stops accepting, and returns at once. With `graceful`, requests in flight may finish until the limit for
    /// draining; without, they are cut.
    pub fn stop(&self, graceful: bool) {
        self.services.drain();
        self.listener.stop(graceful);
    }

    /// Waits until the listener has ended, for whatever reason.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.listener.ended).await.unwrap_or(Ok(()))
    }
}

/// Where to listen, and what connections may take.
pub(super) struct Place {
    /// Of the thread.
    pub(super) name: &'static str,
    pub(super) addr: SocketAddr,
    pub(super) workers: usize,
    /// Open at once, over all workers.
    pub(super) connections: usize,
    pub(super) limits: Limits,
}

/// A socket and the threads that answer what comes in there.
pub(super) struct Listener {
    pub(super) addr: SocketAddr,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Listener {
    /// Returns once connections are accepted.
    pub(super) fn start<F, B>(
        place: Place,
        answer: impl Fn(Request) -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Result<Response<B>, Infallible>> + 'static,
        B: MessageBody + 'static,
    {
        let (started, starting) = sync_channel(1);
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name(place.name.into()).spawn(move || {
            System::new().block_on(async move {
                let (addr, server) = match serve(&place, answer) {
                    Ok(serving) => serving,
                    Err(error) => return drop(started.send(Err(error))),
                };
                // The receivers are gone only when nobody is interested any more.
                let _ = started.send(Ok((addr, server.handle())));
                let _ = end.send(server.await);
            });
        })?;
        let (addr, handle) = starting.recv().map_err(io::Error::other)??;
        Ok(Self { addr, handle, ended })
    }

    /// Returns at once.
    pub(super) fn stop(&self, graceful: bool) {
        // The command is sent when the future is made; its end is that of the listener.
        drop(self.handle.stop(graceful));
    }
}

/// A socket that listens. Must be called within a runtime.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restart waits for the connections of the server before.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

fn serve<F, B>(
    place: &Place,
    answer: impl Fn(Request) -> F + Clone + Send + 'static,
) -> io::Result<(SocketAddr, Server)>
where
    F: Future<Output = Result<Response<B>, Infallible>> + 'static,
    B: MessageBody + 'static,
{
    let Place { workers, connections, limits, .. } = *place;
    let listener = listen(place.addr)?;
    let addr = listener.local_addr()?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections.div_ceil(workers))
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let service = move || {
        let (draining, answer) = (draining.clone(), answer.clone());
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
                .h1(fn_service(answer.clone()))
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
    Ok((addr, builder.listen(place.name, listener, service)?.run()))
}
