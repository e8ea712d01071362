//! A small HTTP/1.1 client over one blocking connection: as little work for each request as the load side can do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::yield_now;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(120);
const BUFFER: usize = 256 * 1024;

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// What has arrived and was not taken yet.
    start: usize,
    end: usize,
    /// The head of the last answer.
    head: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { stream, buffer, start: 0, end: 0, head: Vec::new() })
    }

    /// From now on waits for answers without sleeping. To wake a client that sleeps costs a server on the same machine
    /// microseconds which it would not pay for a client on the network.
    pub fn stay_awake(&mut self) -> Result<()> {
        Ok(self.stream.set_nonblocking(true)?)
    }

    /// Sends prepared bytes.
    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Sends a request with a body, whose length is added to `head`.
    pub fn send_body(&mut self, head: &str, body: &[u8]) -> Result<()> {
        let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
        if body.len() > BUFFER {
            self.send(head.as_bytes())?;
            return self.send(body);
        }
        self.send(&[head.as_bytes(), body].concat())
    }

    /// The status of the next answer. Its body, which an answer to HEAD never has, goes to `take` as it arrives.
    pub fn receive(&mut self, is_head: bool, mut take: impl FnMut(&[u8])) -> Result<u16> {
        let status = self.receive_head()?;
        if is_head || status == 204 || status == 304 {
            return Ok(status);
        }
        match framing(&self.head)? {
            Framing::Length(length) => self.receive_exactly(length, &mut take)?,
            Framing::Chunks => self.receive_chunks(&mut take)?,
        }
        Ok(status)
    }

    /// As [`Connection::receive`], and collects the body.
    pub fn receive_whole(&mut self) -> Result<(u16, Vec<u8>)> {
        let mut body = Vec::new();
        let status = self.receive(false, |part| body.extend_from_slice(part))?;
        Ok((status, body))
    }

    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.head).ok()?;
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next_back()
    }

    fn receive_head(&mut self) -> Result<u16> {
        loop {
            let arrived = &self.buffer[self.start..self.end];
            if let Some(at) = arrived.windows(4).position(|window| window == b"\r\n\r\n") {
                self.head.clear();
                self.head.extend_from_slice(&arrived[..at + 2]);
                self.start += at + 4;
                let code = self.head.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
                return code.and_then(|code| code.parse().ok()).context("an answer without a status");
            }
            self.fill()?;
        }
    }

    fn receive_exactly(&mut self, length: u64, take: &mut impl FnMut(&[u8])) -> Result<()> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let part = (self.end - self.start).min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&self.buffer[self.start..self.start + part]);
            self.start += part;
            left -= part as u64;
        }
        Ok(())
    }

    fn receive_chunks(&mut self, take: &mut impl FnMut(&[u8])) -> Result<()> {
        loop {
            let line = self.receive_line()?;
            let length = u64::from_str_radix(line.trim(), 16).context("a chunk without a length")?;
            self.receive_exactly(length, take)?;
            self.receive_line()?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn receive_line(&mut self) -> Result<String> {
        loop {
            let arrived = &self.buffer[self.start..self.end];
            if let Some(at) = arrived.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&arrived[..at]).into_owned();
                self.start += at + 1;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// Waits for more bytes.
    fn fill(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        ensure!(self.end < self.buffer.len(), "a head that does not end");
        let read = loop {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => yield_now(),
                read => break read?,
            }
        };
        ensure!(read > 0, "the server closed the connection");
        self.end += read;
        Ok(())
    }
}

enum Framing {
    Length(u64),
    Chunks,
}

fn framing(head: &[u8]) -> Result<Framing> {
    for line in head.split(|byte| *byte == b'\n') {
        if let Some(value) = after(line, b"content-length:") {
            let length = std::str::from_utf8(value)?.trim().parse().context("a Content-Length")?;
            return Ok(Framing::Length(length));
        }
        if after(line, b"transfer-encoding:").is_some() {
            return Ok(Framing::Chunks);
        }
    }
    bail!("an answer without a length: {}", String::from_utf8_lossy(head));
}

fn after<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
}
