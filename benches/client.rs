//! Pushing through the distribution API, with the requests that Helm sends
//! (docs/internals/helm.md#request-sequences).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use charthouse::oci::Digest;

use super::content::{Blob, Chart, MANIFEST};
use super::http::Connection;
use super::load::request;

/// A client with two connections, over which it sends the two blobs of a chart at the same time.
pub struct Client {
    first: Connection,
    second: Connection,
}

impl Client {
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { first: Connection::open(address)?, second: Connection::open(address)? })
    }

    /// All that `helm push` asks of a registry that does not have this chart: ten requests.
    pub fn push(&mut self, chart: &Chart) -> Result<()> {
        let Chart { repository, tag, config, layer, manifest } = chart;
        self.ask("HEAD", &format!("/v2/{repository}/manifests/{}", manifest.digest), 404)?;
        for (connection, blob) in [(&mut self.first, config), (&mut self.second, layer)] {
            let path = format!("/v2/{repository}/blobs/{}", blob.digest);
            connection.send(&request("HEAD", &path, ""))?;
        }
        for connection in [&mut self.first, &mut self.second] {
            expect(connection.receive(true, |_| ())?, 404)?;
        }
        self.upload_two(repository, config, layer)?;
        self.put_manifest(repository, &manifest.digest.to_string(), &manifest.bytes)?;
        self.ask("GET", &format!("/v2/{repository}/manifests/{}", manifest.digest), 200)?;
        self.put_manifest(repository, tag, &manifest.bytes)
    }

    /// The least that brings a chart into a registry.
    pub fn add(&mut self, chart: &Chart) -> Result<()> {
        self.upload(&chart.repository, &chart.config)?;
        self.upload(&chart.repository, &chart.layer)?;
        self.put_manifest(&chart.repository, &chart.tag, &chart.manifest.bytes)
    }

    /// One blob in one piece.
    pub fn upload(&mut self, repository: &str, blob: &Blob) -> Result<()> {
        begin_upload(&mut self.first, repository)?;
        send_blob(&mut self.first, &blob.digest, &blob.bytes)?;
        expect(self.first.receive(false, |_| ())?, 201)
    }

    /// A blob in chunks of `chunk` bytes. Gives what closes the upload, to be sent by [`Client::close`].
    pub fn upload_chunks(&mut self, repository: &str, blob: &Blob, chunk: usize) -> Result<String> {
        begin_upload(&mut self.first, repository)?;
        for part in blob.bytes.chunks(chunk) {
            let head = head("PATCH", &location(&self.first)?, "application/octet-stream");
            self.first.send_body(&head, part)?;
            expect(self.first.receive(false, |_| ())?, 202)?;
        }
        closing(&self.first, &blob.digest)
    }

    /// Sends the PUT without a body that closes an upload.
    pub fn close(&mut self, closing: &str) -> Result<()> {
        self.first.send_body(closing, &[])?;
        expect(self.first.receive(false, |_| ())?, 201)
    }

    /// `reference` is a digest or a tag; a query may follow it.
    pub fn put_manifest(&mut self, repository: &str, reference: &str, manifest: &[u8]) -> Result<()> {
        let head = head("PUT", &format!("/v2/{repository}/manifests/{reference}"), MANIFEST);
        self.first.send_body(&head, manifest)?;
        expect(self.first.receive(false, |_| ())?, 201)
    }

    pub fn ask(&mut self, method: &str, path: &str, status: u16) -> Result<()> {
        self.first.send(&request(method, path, ""))?;
        expect(self.first.receive(method == "HEAD", |_| ())?, status)
    }

    /// GET with further header lines: status, body, and the entity tag.
    pub fn get(&mut self, path: &str, headers: &str) -> Result<(u16, Vec<u8>, Option<String>)> {
        self.first.send(&request("GET", path, headers))?;
        let (status, body) = self.first.receive_whole()?;
        Ok((status, body, self.first.header("etag").map(Into::into)))
    }

    /// How long a GET takes until its last byte is here.
    pub fn time(&mut self, path: &str) -> Result<Duration> {
        let began = Instant::now();
        self.ask("GET", path, 200)?;
        Ok(began.elapsed())
    }

    fn upload_two(&mut self, repository: &str, one: &Blob, other: &Blob) -> Result<()> {
        for connection in [&mut self.first, &mut self.second] {
            send_post(connection, repository)?;
        }
        for (connection, blob) in [(&mut self.first, one), (&mut self.second, other)] {
            expect(connection.receive(false, |_| ())?, 202)?;
            send_blob(connection, &blob.digest, &blob.bytes)?;
        }
        for connection in [&mut self.first, &mut self.second] {
            expect(connection.receive(false, |_| ())?, 201)?;
        }
        Ok(())
    }
}

fn begin_upload(connection: &mut Connection, repository: &str) -> Result<()> {
    send_post(connection, repository)?;
    expect(connection.receive(false, |_| ())?, 202)
}

fn send_post(connection: &mut Connection, repository: &str) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    connection.send(&request("POST", &path, "Content-Length: 0\r\n"))
}

/// Sends the PUT of a whole blob to where the last answer pointed.
fn send_blob(connection: &mut Connection, digest: &Digest, bytes: &[u8]) -> Result<()> {
    let head = closing(connection, digest)?;
    connection.send_body(&head, bytes)
}

/// The head of the PUT that ends the upload to which the last answer pointed.
fn closing(connection: &Connection, digest: &Digest) -> Result<String> {
    let location = location(connection)?;
    let separator = if location.contains('?') { '&' } else { '?' };
    let digest = digest.to_string().replace(':', "%3A");
    Ok(head("PUT", &format!("{location}{separator}digest={digest}"), "application/octet-stream"))
}

fn head(method: &str, path: &str, content_type: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Helm/4.2\r\nContent-Type: {content_type}\r\n"
    )
}

/// The path of the last answer's `Location`, which may be a whole URL.
fn location(connection: &Connection) -> Result<String> {
    let location = connection.header("location").context("an upload without a Location")?;
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| format!("/{path}")),
        None => Some(location.to_owned()),
    };
    path.context("a Location without a path")
}

fn expect(status: u16, expected: u16) -> Result<()> {
    ensure!(status == expected, "{status} instead of {expected}");
    Ok(())
}
