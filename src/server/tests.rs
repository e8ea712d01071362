//! The server over raw sockets: framing, deadlines, health and the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::clock::SystemClock;

fn server(limits: Limits) -> RunningServer {
    let mut settings = Settings::default();
    settings.server.listen.set_port(0);
    settings.server.workers = 1;
    let mut services = Services::new(settings, &SystemClock::default());
    services.limits = limits;
    start(Arc::new(services)).unwrap()
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

fn connect(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Sends `request` and reads until the server closes.
fn ask(server: &RunningServer, request: &str) -> String {
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
    let answer =
        ask(&server(Limits::default()), "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with(HEALTHY), "{answer}");
}

#[test]
fn head_carries_the_length_and_no_byte_of_the_body() {
    let server = server(Limits::default());
    let mut stream = connect(&server);
    stream.write_all(b"HEAD /health HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let head = read_one(&mut stream, 0);
    assert!(head.contains(&format!("content-length: {}\r\n", HEALTHY.len())), "{head}");
    // What follows on the connection is the next answer, so no body was sent.
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(read_one(&mut stream, HEALTHY.len()).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_request_id_is_echoed() {
    let request = "GET /health HTTP/1.1\r\nHost: h\r\nX-Request-Id: build-7\r\nConnection: close\r\n\r\n";
    assert!(ask(&server(Limits::default()), request).contains("x-request-id: build-7\r\n"));
}

#[test]
fn a_head_that_stalls_is_cut_on_a_fresh_connection_and_on_one_in_use() {
    let server = server(short());
    for requests_before in [0, 1] {
        let mut stream = connect(&server);
        for _ in 0..requests_before {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
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
        stream.write_all(b"st: h\r\n\r\n").unwrap();
        read_one(&mut stream, HEALTHY.len());
        std::thread::sleep(Duration::from_millis(1_300));
    }
}

#[tokio::test]
async fn stopping_gracefully_ends_idle_connections_and_the_listener() {
    let mut server = server(short());
    let mut idle = connect(&server);
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_one(&mut idle, HEALTHY.len());
    let began = Instant::now();
    server.stop(true);
    server.ended().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(read_to_end(&mut idle), "");
    assert!(TcpStream::connect(server.addr()).is_err());
    assert!(server.services().is_draining());
}
