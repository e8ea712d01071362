//! The real process under signals: killed while it works, told to stop, told twice (RELIABILITY.md C2 and C16).

mod kill;
mod stop;

use std::io::Result;
use std::net::SocketAddr;

use crate::support::artifact::{Blob, Image};
use crate::support::http::{Connection, Request, Response};
use crate::support::registry::{location, put_manifest, with_digest};

/// A client that keeps its connection, as CI jobs do.
struct Client(Connection);

impl Client {
    async fn open(addr: SocketAddr) -> Result<Self> {
        Connection::open(addr).await.map(Self)
    }

    async fn send(&mut self, request: &Request) -> Result<Response> {
        self.0.exchange(&request.bytes(), &request.method).await
    }

    /// POST and PUT; the last reply, or that of the POST when it is no session.
    async fn push_blob(&mut self, repository: &str, blob: &Blob) -> Result<Response> {
        let started = self.send(&Request::post(format!("/v2/{repository}/blobs/uploads/"))).await?;
        if started.status != 202 {
            return Ok(started);
        }
        let target = with_digest(&location(&started), &blob.digest);
        self.send(&Request::put(target, blob.bytes.clone())).await
    }

    async fn tag(&mut self, repository: &str, tag: &str, image: &Image) -> Result<Response> {
        self.send(&put_manifest(repository, tag, &image.manifest)).await
    }
}
