//! A raw HTTP/1.1 client: what goes out is exactly what the test wrote, what came back is kept exactly.
//!
//! A friendly client would tidy paths, drop bodies of HEAD replies, unzip and follow redirects, and so hide
//! what these tests are about.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::messages::assert_plain;

/// Longer than any reply may take, shorter than a test run that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it will stand on the wire. `Host` and `Content-Length` are added unless the test wrote them.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Sized(Bytes),
    Chunked(Vec<Bytes>),
}

impl Request {
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Body::None }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    pub fn delete(target: impl Into<String>) -> Self {
        Self::new("DELETE", target)
    }

    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target).body("")
    }

    pub fn put(target: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub fn patch(target: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new("PATCH", target).body(body)
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body with `Content-Length`.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Sized(body.into());
        self
    }

    /// A body with `Transfer-Encoding: chunked`, in these chunks.
    pub fn chunks(mut self, chunks: impl IntoIterator<Item = Bytes>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().collect());
        self
    }

    /// The bytes that go out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match &self.body {
            Body::Sized(body) if !self.has("content-length") => {
                let _ = write!(head, "Content-Length: {}\r\n", body.len());
            }
            Body::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
            _ => {}
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        match &self.body {
            Body::None => {}
            Body::Sized(body) => bytes.extend_from_slice(body),
            Body::Chunked(chunks) => {
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(written, _)| written.eq_ignore_ascii_case(name))
    }
}

/// A reply: headers in order, repeated ones kept apart, body decoded from chunks only.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that stands at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers_named(name);
        assert!(values.len() <= 1, "{name} stands {} times in {self:?}", values.len());
        values.first().copied()
    }

    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        let named = |(written, _): &&(String, String)| written.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {} {:?}", self.status, self.text()),
        }
    }

    /// Its warnings, and the text of a refusal, are for users.
    fn assert_plain(&self) {
        self.headers_named("warning").into_iter().for_each(|warning| assert_plain("a warning", warning));
        if self.status >= 400 {
            assert_plain("an answer", &self.text());
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, for tests of keep-alive and pipelining.
pub struct Connection {
    write: OwnedWriteHalf,
    read: BufReader<OwnedReadHalf>,
}

impl Connection {
    pub async fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Self { write, read: BufReader::with_capacity(64 * 1024, read) })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.write.write_all(bytes).await
    }

    /// The final reply to a request of `method`; interim ones (1xx) are skipped.
    pub async fn receive(&mut self, method: &str) -> Result<Response> {
        receive(&mut self.read, method).await
    }

    /// Returns when the first bytes of a reply are there; they stay to be received.
    pub async fn wait_for_reply(&mut self) -> Result<()> {
        match self.read.fill_buf().await?.is_empty() {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(()),
        }
    }

    /// As [`Connection::receive`] of a reply whose length is declared, but the body goes to `take` as it arrives.
    pub async fn receive_to(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<Response> {
        let (status, headers) = receive_head(&mut self.read).await?;
        let reply = Response { status, headers, body: Vec::new() };
        let length = reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let mut left = length.ok_or_else(|| malformed("head", "no Content-Length"))?;
        while left > 0 {
            let arrived = self.read.fill_buf().await?;
            if arrived.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let part = arrived.len().min(left);
            take(&arrived[..part]);
            self.read.consume(part);
            left -= part;
        }
        Ok(reply)
    }

    /// Sends and receives at the same time: a server may refuse a body before it has read all of it.
    pub async fn exchange(&mut self, bytes: &[u8], method: &str) -> Result<Response> {
        self.send_and_receive(bytes, method, false).await
    }

    /// The same, and says that nothing more will be sent.
    pub async fn exchange_last(&mut self, bytes: &[u8], method: &str) -> Result<Response> {
        self.send_and_receive(bytes, method, true).await
    }

    async fn send_and_receive(&mut self, bytes: &[u8], method: &str, last: bool) -> Result<Response> {
        let sending = async {
            // A server that has refused need not take the rest: its answer counts.
            let _ = self.write.write_all(bytes).await;
            if last {
                let _ = self.write.shutdown().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            reply = receive(&mut self.read, method) => reply,
            () = sending => Err(ErrorKind::Other.into()),
        }
    }
}

/// Sends `request` on a connection of its own.
pub async fn send(addr: SocketAddr, request: &Request) -> Result<Response> {
    exchange(addr, &request.bytes(), &request.method).await
}

/// Sends prebuilt bytes on a connection of their own. A connection closed without a reply is `UnexpectedEof`.
pub async fn exchange(addr: SocketAddr, bytes: &[u8], method: &str) -> Result<Response> {
    let all = async { Connection::open(addr).await?.exchange(bytes, method).await };
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
}

async fn receive(read: &mut (impl AsyncBufRead + Unpin), method: &str) -> Result<Response> {
    loop {
        let (status, headers) = receive_head(read).await?;
        if (100..200).contains(&status) {
            continue;
        }
        let mut reply = Response { status, headers, body: Vec::new() };
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        if !bodiless {
            reply.body = receive_body(read, &reply).await?;
        }
        reply.assert_plain();
        return Ok(reply);
    }
}

async fn receive_head(read: &mut (impl AsyncBufRead + Unpin)) -> Result<(u16, Vec<(String, String)>)> {
    let status_line = receive_line(read).await?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| malformed("status line", &status_line))?;
    let mut headers = Vec::new();
    loop {
        let line = receive_line(read).await?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header", &line))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

async fn receive_body(read: &mut (impl AsyncBufRead + Unpin), reply: &Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if reply.headers_named("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = receive_line(read).await?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| malformed("chunk size", &line))?;
            let start = body.len();
            body.resize(start + size, 0);
            read.read_exact(&mut body[start..]).await?;
            receive_line(read).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    match reply.header("content-length") {
        Some(length) => {
            body.resize(length.parse().map_err(|_| malformed("Content-Length", length))?, 0);
            read.read_exact(&mut body).await?;
        }
        None => {
            read.read_to_end(&mut body).await?;
        }
    }
    Ok(body)
}

async fn receive_line(read: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut line = Vec::new();
    read.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(line).map_err(|line| malformed("line", &line.to_string()))
}

fn malformed(what: &str, text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("malformed {what} from the server: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that checks one request's bytes and answers with prepared ones.
    async fn answer_once(expected: Vec<u8>, reply: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
            stream.write_all(reply).await.unwrap();
        });
        addr
    }

    #[tokio::test]
    async fn a_request_goes_out_as_written_and_a_chunked_reply_is_joined() {
        let request = Request::put("/a%2e/..//b?x=%00", "body").header("X-Test", "1").header("x-test", "2");
        let wire = "PUT /a%2e/..//b?x=%00 HTTP/1.1\r\nHost: localhost\r\nX-Test: 1\r\nx-test: 2\r\n\
                    Content-Length: 4\r\n\r\nbody";
        let reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n\
                      Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let addr = answer_once(wire.into(), reply).await;
        let response = send(addr, &request).await.unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
        assert_eq!(response.headers_named("A"), ["1", "2"]);
    }

    #[tokio::test]
    async fn a_head_reply_has_no_body_whatever_its_length_says() {
        let request = Request::head("/");
        let addr = answer_once(request.bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n").await;
        let response = send(addr, &request).await.unwrap();
        assert_eq!((response.header("content-length"), response.body.len()), (Some("7"), 0));
    }

    #[tokio::test]
    async fn a_connection_closed_without_a_reply_is_an_error() {
        let request = Request::get("/").chunks([Bytes::from_static(b"abc")]);
        assert!(request.bytes().ends_with(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        let addr = answer_once(request.bytes(), b"").await;
        assert_eq!(send(addr, &request).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
