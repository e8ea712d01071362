//! The HTTP/1.1 listener: sockets and workers in, requests out.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use actix_http::{Extensions, HttpService, KeepAlive};
use actix_web::dev::{Server, ServerHandle, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::System;
use actix_web::rt::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::{Services, create_app};

/// How long a connection is read on after it was refused, so that the client sees the answer and no reset.
const LINGER: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Bytes of an answer collected before they are written to the socket: most charts fit, so they go out in one write.
const WRITE_BUFFER: usize = 128 * 1024;

/// A server that answers requests on threads of its own.
pub struct RunningServer {
    addr: SocketAddr,
    services: Arc<Services>,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// Binds `server.listen`, where port 0 takes a free one, and starts to answer. Returns once connections are accepted.
pub fn start(services: Arc<Services>) -> io::Result<RunningServer> {
    let (started, starting) = sync_channel(1);
    let (end, ended) = oneshot::channel();
    let app = Arc::clone(&services);
    thread::Builder::new().name("http".into()).spawn(move || {
        System::new().block_on(async move {
            let (addr, server) = match serve(app) {
                Ok(serving) => serving,
                Err(error) => return drop(started.send(Err(error))),
            };
            // The receivers are gone only when nobody is interested any more.
            let _ = started.send(Ok((addr, server.handle())));
            let _ = end.send(server.await);
        });
    })?;
    let (addr, handle) = starting.recv().map_err(io::Error::other)??;
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

/// A socket that listens. Must be called within a runtime.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restart waits for the connections of the server before.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

fn serve(services: Arc<Services>) -> io::Result<(SocketAddr, Server)> {
    let limits = services.limits;
    let settings = &services.settings.server;
    let listener = listen(settings.listen)?;
    let addr = listener.local_addr()?;
    let workers = match settings.workers {
        0 => thread::available_parallelism()?.get(),
        workers => workers,
    };
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(settings.limits.connections.div_ceil(workers))
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
    Ok((addr, builder.listen("charthouse", listener, connections)?.run()))
}
