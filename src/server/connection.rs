//! One accepted connection, with what actix does not keep: a deadline for a request head that stalls on a connection
//! in use (actix times the first head only), one for a client that stops reading its answer, and a bound on what is
//! read before anybody wants it.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::Limits;

/// What a connection has in hand; shared by the connection and the guard of the request being answered.
#[derive(Clone, Default)]
pub(super) struct InHand(Rc<Requests>);

#[derive(Default)]
struct Requests {
    begun: Cell<u64>,
    ended: Cell<u64>,
    /// Whether more of a request's body was asked for than had arrived.
    wanted: Cell<bool>,
    /// The connection, while it holds back what the client sends.
    held_back: Cell<Option<Waker>>,
}

impl InHand {
    pub(super) fn begin(&self) {
        self.0.begun.set(self.0.begun.get() + 1);
    }

    pub(super) fn end(&self) {
        self.0.ended.set(self.0.ended.get() + 1);
        self.go_on();
    }

    /// Asks for more of the request's body.
    pub(super) fn want(&self) {
        self.0.wanted.set(true);
        self.go_on();
    }

    fn go_on(&self) {
        if let Some(connection) = self.0.held_back.take() {
            connection.wake();
        }
    }

    fn is_idle(&self) -> bool {
        self.0.begun == self.0.ended
    }
}

/// The most bytes of one line of a head: the parser of actix panics on a header name of 65,536 bytes.
const MAX_LINE: usize = 60 * 1024;

/// Bytes read before somebody has to ask for more. Actix reads on until a read has to wait, up to 128 KiB, and does so
/// for a body that nobody takes: with a hundred uploads waiting for memory, that held 80 MiB.
const BURST: usize = 32 * 1024;

/// A TCP stream that fails with `TimedOut` when the other side stalls, and with `InvalidData` when a line of a head
/// does not end.
pub(super) struct Connection {
    stream: TcpStream,
    in_hand: InHand,
    /// Requests begun when `head` was last looked at: a later one means that its head is complete.
    begun: u64,
    /// Bytes read of the current burst.
    burst: usize,
    head: Deadline,
    line: Line,
    write: Deadline,
}

/// Where in a request head the bytes that arrive are.
#[derive(Default)]
struct Line {
    /// Bytes of the line so far, without its end.
    length: usize,
    /// Whether a line with something on it came before: the next empty line then ends the head.
    begun: bool,
    head_is_complete: bool,
}

impl Line {
    /// Follows what arrives; false when a line is too long.
    fn take(&mut self, read: &[u8]) -> bool {
        for byte in read {
            match byte {
                _ if self.head_is_complete => break,
                b'\r' => {}
                b'\n' => {
                    self.head_is_complete = self.begun && self.length == 0;
                    self.length = 0;
                }
                _ => {
                    self.begun = true;
                    self.length += 1;
                }
            }
        }
        self.length <= MAX_LINE
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream, limits: &Limits) -> Self {
        // Head and body of an answer go out as two writes: with Nagle's algorithm the second waits for an ACK.
        // A socket that refuses the option is closed already.
        let _ = stream.set_nodelay(true);
        let (head, write) = (Deadline::after(limits.head), Deadline::after(limits.write_stall));
        Self { stream, in_hand: InHand::default(), begun: 0, burst: 0, head, line: Line::default(), write }
    }

    pub(super) fn in_hand(&self) -> InHand {
        self.in_hand.clone()
    }

    /// Whether another burst may be read now; if not, `task` is woken when it may.
    fn goes_on(&mut self, task: &Waker) -> bool {
        let in_hand = &self.in_hand.0;
        if self.in_hand.is_idle() {
            // What was read may be a whole request: actix looks at it first.
            self.burst = 0;
            task.wake_by_ref();
            return false;
        }
        let wanted = in_hand.wanted.take();
        match wanted {
            true => self.burst = 0,
            false => in_hand.held_back.set(Some(task.clone())),
        }
        wanted
    }

    /// Starts, keeps or clears the deadline of a request head, `read` being what has just arrived; false when one of
    /// its lines is too long.
    fn watch_head(&mut self, read: &[u8]) -> bool {
        let begun = self.in_hand.0.begun.get();
        if self.begun != begun {
            self.begun = begun;
            self.head.clear();
            self.line = Line::default();
        }
        if !self.in_hand.is_idle() {
            return true;
        }
        // Nearly every head arrives whole, and then costs no timer.
        if !read.is_empty() && !read.ends_with(b"\r\n\r\n") {
            self.head.start();
        }
        self.line.take(read)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.burst >= BURST && !self.goes_on(cx.waker()) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.burst += buf.filled().len() - before;
        if !self.watch_head(&buf.filled()[before..]) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        match self.head.poll(cx) {
            Poll::Ready(late) => Poll::Ready(Err(late)),
            Poll::Pending => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.write.clear();
                Poll::Ready(written)
            }
            Poll::Pending => {
                self.write.start();
                let late = ready!(self.write.poll(cx));
                Poll::Ready(Err(late))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A timer that exists only while it runs, so that an idle connection does not pay for it.
struct Deadline {
    after: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn after(after: Duration) -> Self {
        Self { after, timer: None }
    }

    /// Starts the timer, unless it runs already.
    fn start(&mut self) {
        let after = self.after;
        self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + after)));
    }

    fn clear(&mut self) {
        self.timer = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into()),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// A connection whose client has sent more than anybody wants.
    async fn flooded() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(&[b'\n'; 8 * BURST]).await.unwrap();
        (Connection::new(stream, &Limits::default()), client)
    }

    /// Reads as actix does, until a read has to wait.
    async fn read(connection: &mut Connection) -> usize {
        let (mut bytes, mut buffer) = (0, vec![0; 8 * 1024]);
        while let Ok(read) = timeout(Duration::from_millis(50), connection.read(&mut buffer)).await {
            bytes += read.unwrap();
        }
        bytes
    }

    #[tokio::test]
    async fn a_body_is_read_a_burst_at_a_time_and_only_when_it_is_wanted() {
        let (mut connection, _client) = flooded().await;
        let in_hand = connection.in_hand();
        in_hand.begin();
        assert_eq!(read(&mut connection).await, BURST);
        assert_eq!(read(&mut connection).await, 0);
        in_hand.want();
        assert_eq!(read(&mut connection).await, BURST);
        in_hand.end();
        assert_eq!(read(&mut connection).await, 6 * BURST, "what is left of a body is thrown away");
    }

    #[tokio::test]
    async fn who_waits_for_a_body_wakes_its_connection() {
        let (mut connection, _client) = flooded().await;
        let in_hand = connection.in_hand();
        in_hand.begin();
        read(&mut connection).await;
        let mut buffer = [0; 1024];
        let reading = tokio::join!(timeout(Duration::from_secs(5), connection.read(&mut buffer)), async {
            tokio::task::yield_now().await;
            in_hand.want();
        });
        assert_eq!(reading.0.unwrap().unwrap(), 1024);
    }
}
