//! A closed loop of requests: each connection has one on its way, and sends the next when it has its answer.
//!
//! One thread goes round the connections: two system calls for each request, more only while it waits, so that one
//! core of load is enough for one core of any server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use charthouse::oci::{Algorithm, Digest, Hasher};

use super::http::Connection;
use super::peers::Peer;

/// One of the requests that a load repeats, and what has to come back.
#[derive(Clone)]
pub struct Target {
    pub request: Vec<u8>,
    pub is_head: bool,
    pub status: u16,
    /// The digest of the body, where one comes; every so often it is checked, its length always.
    pub body: Option<(Digest, u64)>,
}

impl Target {
    pub fn get(path: &str, body: &[u8]) -> Self {
        Self::get_known(path, Digest::sha256(body), body.len() as u64)
    }

    /// As [`Target::get`], of a body that is not at hand.
    pub fn get_known(path: &str, digest: Digest, length: u64) -> Self {
        Self { request: request("GET", path, ""), is_head: false, status: 200, body: Some((digest, length)) }
    }

    pub fn head(path: &str, status: u16) -> Self {
        Self { request: request("HEAD", path, ""), is_head: true, status, body: None }
    }

    /// A GET with further header lines, of whose body only the status is known.
    pub fn with_headers(path: &str, headers: &str, status: u16) -> Self {
        Self { request: request("GET", path, headers), is_head: false, status, body: None }
    }
}

/// The bytes of a request as Helm sends it. `headers` are whole lines.
pub fn request(method: &str, path: &str, headers: &str) -> Vec<u8> {
    let accept = "application/vnd.oci.image.manifest.v1+json, */*";
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Helm/4.2\r\nAccept: {accept}\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// What one run of a load cost the server.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Microseconds of CPU for each request.
    pub cpu_us: f64,
    /// Requests a second.
    pub rate: f64,
}

/// How many connections, for how long, and how many answers are only counted for each one that is verified.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub connections: usize,
    pub duration: Duration,
    pub unverified: u64,
}

/// Warms `peer` up and drives it.
pub fn measure(peer: &Peer, targets: &[Target], shape: Shape) -> Result<Cost> {
    let mut lanes = Lanes::open(peer.address(), targets, shape)?;
    lanes.drive(shape.duration / 5)?;
    let (before, started) = (peer.cpu()?, Instant::now());
    let requests = lanes.drive(shape.duration)?;
    let (wall, cpu) = (started.elapsed(), peer.cpu()?.since(&before));
    Ok(Cost { cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64, rate: requests as f64 / wall.as_secs_f64() })
}

struct Lanes<'a> {
    lanes: Vec<Lane>,
    targets: &'a [Target],
    unverified: u64,
    answered: u64,
}

struct Lane {
    connection: Connection,
    /// Which target is on its way.
    target: usize,
}

impl<'a> Lanes<'a> {
    fn open(address: SocketAddr, targets: &'a [Target], shape: Shape) -> Result<Self> {
        let lane = |target| {
            let mut connection = Connection::open(address)?;
            connection.stay_awake()?;
            anyhow::Ok(Lane { connection, target })
        };
        let lanes = (0..shape.connections).map(lane).collect::<Result<_>>()?;
        Ok(Self { lanes, targets, unverified: shape.unverified, answered: 0 })
    }

    /// How many requests were answered, all of them sent within `duration`.
    fn drive(&mut self, duration: Duration) -> Result<u64> {
        let (started, before) = (Instant::now(), self.answered);
        for lane in 0..self.lanes.len() {
            self.send(lane)?;
        }
        while started.elapsed() < duration {
            for lane in 0..self.lanes.len() {
                self.receive(lane)?;
                self.send(lane)?;
            }
        }
        for lane in 0..self.lanes.len() {
            self.receive(lane)?;
        }
        Ok(self.answered - before)
    }

    fn send(&mut self, lane: usize) -> Result<()> {
        let lane = &mut self.lanes[lane];
        lane.target = (lane.target + 1) % self.targets.len();
        lane.connection.send(&self.targets[lane.target].request)
    }

    fn receive(&mut self, lane: usize) -> Result<()> {
        let lane = &mut self.lanes[lane];
        let target = &self.targets[lane.target];
        let verify = self.answered.is_multiple_of(self.unverified + 1);
        self.answered += 1;
        let mut length = 0;
        let mut hasher = verify.then(|| Hasher::new(Algorithm::Sha256));
        let status = lane.connection.receive(target.is_head, |part| {
            length += part.len() as u64;
            hasher.iter_mut().for_each(|hasher| hasher.update(part));
        })?;
        ensure!(status == target.status, "{status} instead of {}", target.status);
        if let Some((digest, expected)) = &target.body {
            ensure!(length == *expected, "{length} bytes instead of {expected}");
            let sound = hasher.is_none_or(|hasher| hasher.finish() == *digest);
            ensure!(sound, "a body that is not {digest}");
        }
        Ok(())
    }
}
