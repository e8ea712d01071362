//! A registry that answers whatever a test wants it to, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

/// What came in.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `GET /v2/...`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What goes out.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Good,
    /// The length in the head is that of the body, but only so much of it is sent.
    After(usize),
    /// The body never ends.
    Never,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), end: End::Good }
    }

    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200).header("Content-Type", content_type).body(body)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.end = End::After(bytes);
        self
    }

    pub fn endless(mut self) -> Self {
        self.end = End::Never;
        self
    }
}

/// The running registry. Its threads end with the test program.
pub struct Hostile {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Hostile {
    /// Starts a registry whose replies are those of `reply`, which is told its own address.
    pub fn start(reply: impl Fn(&Asked, SocketAddr) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (reply, remembered) = (Arc::new(reply), Arc::clone(&asked));
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (reply, asked) = (Arc::clone(&reply), Arc::clone(&remembered));
                spawn(move || serve(&stream, address, &*reply, &asked));
            }
        });
        Self { address, asked }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("what was asked").clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

type Replier = dyn Fn(&Asked, SocketAddr) -> Reply + Send + Sync;

/// Requests of one connection, until it ends or a reply ends it.
fn serve(stream: &TcpStream, address: SocketAddr, reply: &Replier, asked: &Mutex<Vec<Asked>>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        asked.lock().expect("what was asked").push(request.clone());
        let head_only = request.method == "HEAD";
        let Reply { status, headers, body, end } = reply(&request, address);
        let mut head = format!("HTTP/1.1 {status} X\r\n");
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match end {
            End::Never => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            _ => head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len())),
        }
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        match end {
            _ if head_only => {}
            End::Good if stream.write_all(&body).is_err() => return,
            End::Good => {}
            End::After(bytes) => {
                let _ = stream.write_all(&body[..bytes]);
                return;
            }
            End::Never => {
                let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
                while stream.write_all(&chunk).is_ok() {}
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        reader.read_line(line).ok().filter(|read| *read > 0).map(|_| line.trim_end().to_owned())
    };
    let first = next(&mut line)?;
    let (method, rest) = first.split_once(' ')?;
    let target = rest.split(' ').next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = next(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut asked = Asked { method: method.to_owned(), target, headers, body: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}
