//! The server over raw sockets: framing, deadlines, health and the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::StorageUrl;

/// A server over memory, with the runtime of its store.
struct TestServer {
    running: RunningServer,
    runtime: tokio::runtime::Runtime,
}

impl TestServer {
    fn ended(&mut self) {
        self.runtime.block_on(self.running.ended()).unwrap();
    }
}

fn server(limits: Limits) -> TestServer {
    let mut settings = Settings::default();
    settings.server.listen.set_port(0);
    settings.server.workers = 1;
    settings.storage.url = StorageUrl::Memory;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut services = runtime.block_on(open(settings)).unwrap();
    services.limits = limits;
    TestServer { running: start(Arc::new(services)).unwrap(), runtime }
}

/// Deadlines that a test can wait for; actix's clock for the first head ticks every half second.
fn short() -> Limits {
    Limits {
        head: Duration::from_secs(1),
        body_idle: Duration::from_millis(300),
        write_stall: Duration::from_millis(500),
        drain: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.running.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Sends `request` and reads until the server closes.
fn ask(server: &TestServer, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer ends it as well as a close does.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Reads exactly one answer that has a body of `length` bytes.
fn read_one(stream: &mut TcpStream, length: usize) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    answer.extend(body);
    String::from_utf8(answer).unwrap()
}

const HEALTHY: &str = r#"{"healthy":true}"#;

#[test]
fn health_is_a_short_json_document() {
    let answer = ask(
        &server(Limits::default()),
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with(HEALTHY), "{answer}");
}

#[test]
fn head_carries_the_length_and_no_byte_of_the_body() {
    let server = server(Limits::default());
    let mut stream = connect(&server);
    stream.write_all(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let head = read_one(&mut stream, 0);
    assert!(head.contains(&format!("content-length: {}\r\n", HEALTHY.len())), "{head}");
    // What follows on the connection is the next answer, so no body was sent.
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(read_one(&mut stream, HEALTHY.len()).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_request_id_is_echoed() {
    let request =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: build-7\r\nConnection: close\r\n\r\n";
    assert!(ask(&server(Limits::default()), request).contains("x-request-id: build-7\r\n"));
}

#[test]
fn a_head_that_stalls_is_cut_on_a_fresh_connection_and_on_one_in_use() {
    let server = server(short());
    for requests_before in [0, 1] {
        let mut stream = connect(&server);
        for _ in 0..requests_before {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            read_one(&mut stream, HEALTHY.len());
        }
        let began = Instant::now();
        stream.write_all(b"GET /health HTTP/1.1\r\nHo").unwrap();
        let answer = read_to_end(&mut stream);
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(4), "{requests_before} before: {:?}", began.elapsed());
    }
}

#[test]
fn an_idle_connection_outlives_the_deadline_of_a_head() {
    let server = server(short());
    let mut stream = connect(&server);
    for _ in 0..2 {
        // In two parts, so that the deadline of the head is running when the request begins.
        stream.write_all(b"GET /health HTTP/1.1\r\nHo").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"st: localhost\r\n\r\n").unwrap();
        read_one(&mut stream, HEALTHY.len());
        std::thread::sleep(Duration::from_millis(1_300));
    }
}

#[test]
fn stopping_gracefully_ends_idle_connections_and_the_listener() {
    let mut server = server(short());
    let mut idle = connect(&server);
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_one(&mut idle, HEALTHY.len());
    let began = Instant::now();
    server.running.stop(true);
    server.ended();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(read_to_end(&mut idle), "");
    assert!(TcpStream::connect(server.running.addr()).is_err());
    assert!(server.running.services().is_draining());
}

#[test]
fn a_request_in_flight_is_answered_while_draining_and_its_connection_closed() {
    let mut server = server(short());
    let mut stream = connect(&server);
    stream.write_all(b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nab").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.running.stop(true);
    std::thread::sleep(Duration::from_millis(50));
    stream.write_all(b"cd").unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    server.ended();
}

#[test]
fn stopping_at_once_cuts_what_is_in_flight() {
    let mut server = server(Limits { drain: Duration::from_secs(30), ..short() });
    let mut stream = connect(&server);
    stream.write_all(b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nab").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    server.running.stop(false);
    server.ended();
    assert_eq!(read_to_end(&mut stream), "");
}

/// The body of an answer that was read to its end.
fn status_and_body(answer: &str) -> (u16, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body)
}

#[test]
fn a_body_that_stalls_is_answered_408_and_cut() {
    let request = "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Content-Length: 4\r\n\r\nab";
    let began = Instant::now();
    let answer = ask(&server(short()), request);
    assert_eq!(status_and_body(&answer).0, 408, "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_manifest_that_is_too_large_is_refused_before_it_is_read() {
    for framing in ["Content-Length: 5000000", "Transfer-Encoding: chunked"] {
        let server = server(short());
        let mut stream = connect(&server);
        let head = format!(
            "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // One chunk of 16 MiB, of which more is sent than a manifest may have; the server stops reading.
        let _ = stream.write_all(b"1000000\r\n");
        let _ = stream.write_all(&vec![b' '; 4 * 1024 * 1024 + 1]);
        let answer = read_to_end(&mut stream);
        let (status, body) = status_and_body(&answer);
        assert_eq!(status, 413, "{answer}");
        assert!(body.contains("4194304"), "{body}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_cut() {
    let server = server(short());
    let digest = push(&server, &vec![7; 32 << 20]);
    let mut stream = connect(&server);
    stream
        .write_all(format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(received.len() < 32 << 20, "{} bytes were sent to a client that did not read", received.len());
}

/// Pushes `blob` to repository `app` in one request, and returns its digest.
fn push(server: &TestServer, blob: &[u8]) -> String {
    let digest = crate::oci::Digest::sha256(blob).to_string();
    let mut stream = connect(server);
    let head = format!(
        "POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        blob.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(blob).unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    digest
}

#[test]
fn what_has_no_meaning_here_is_plain_text_and_never_a_page() {
    let server = server(short());
    for path in ["/home", "/-/", "/index.html", "/v3/"] {
        let answer =
            ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!(status_and_body(&answer), (404, "nothing is here\n"), "{path}");
        assert!(answer.contains("content-type: text/plain"), "{answer}");
    }
}
