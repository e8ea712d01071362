//! One accepted connection, with what actix does not keep: a deadline for a request head that stalls on a connection
//! in use (actix times the first head only), one for a client that stops reading its answer, a bound on what is read
//! before anybody wants it, and strict line ends in heads (`framing`).

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::{BodyFraming, Framing};
use super::limits::Limits;

/// What a connection has in hand; shared by the connection and the guard of the request being answered.
#[derive(Clone, Default)]
pub(super) struct InHand(Rc<Requests>);

#[derive(Default)]
struct Requests {
    begun: Cell<u64>,
    ended: Cell<u64>,
    /// The body of the request that has just begun, until the connection has taken note of it.
    body: Cell<Option<BodyFraming>>,
    /// Whether more of a request's body was asked for than had arrived.
    wanted: Cell<bool>,
    /// The connection, while it holds back what the client sends.
    held_back: Cell<Option<Waker>>,
}

impl InHand {
    /// A request begins whose head announces `body`.
    pub(super) fn begin(&self, body: BodyFraming) {
        self.0.begun.set(self.0.begun.get() + 1);
        self.0.body.set(Some(body));
        self.go_on();
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

/// Bytes read before somebody has to ask for more. Actix reads on until a read has to wait, up to 128 KiB, and does so
/// for a body that nobody takes: with a hundred uploads waiting for memory, that held 80 MiB.
const BURST: usize = 32 * 1024;

/// Bytes read at once where a head begins or goes on: most heads are shorter, and what is read of a body behind one is
/// copied twice.
const HEAD_READ: usize = 2 * 1024;

/// A TCP stream that fails with `TimedOut` when the other side stalls, and with `InvalidData` when a line of a head
/// does not end.
pub(super) struct Connection {
    stream: TcpStream,
    in_hand: InHand,
    /// Bytes read of the current burst.
    burst: usize,
    framing: Framing,
    /// Bytes that arrived before the parser may have them.
    ahead: Bytes,
    head: Deadline,
    write: Deadline,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, limits: &Limits) -> Self {
        // Head and body of an answer go out as two writes: with Nagle's algorithm the second waits for an ACK.
        // A socket that refuses the option is closed already.
        let _ = stream.set_nodelay(true);
        let (head, write) = (Deadline::after(limits.head), Deadline::after(limits.write_stall));
        let (in_hand, framing, ahead) = (InHand::default(), Framing::default(), Bytes::new());
        Self { stream, in_hand, burst: 0, framing, ahead, head, write }
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

    /// Reads what comes next: bytes that have arrived already, or else bytes from the socket.
    fn poll_arrived(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return match self.framing.is_at_head() && buf.remaining() > HEAD_READ {
                true => self.poll_head(cx, buf),
                false => Pin::new(&mut self.stream).poll_read(cx, buf),
            };
        }
        let length = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..length]);
        Poll::Ready(Ok(()))
    }

    /// Reads at most [`HEAD_READ`] bytes from the socket.
    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut head = ReadBuf::new(buf.initialize_unfilled_to(HEAD_READ));
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut head);
        let read = head.filled().len();
        buf.advance(read);
        polled
    }

    /// Keeps back what may not be passed on yet of the bytes in `buf` from `start` on. Returns how many are passed on.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>, start: usize) -> io::Result<usize> {
        let is_idle = self.in_hand.is_idle();
        let read = &mut buf.filled_mut()[start..];
        let Ok(passed) = self.framing.inspect(read, is_idle) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if !self.ahead.is_empty() {
            self.ahead.advance(passed);
            if self.ahead.is_empty() {
                // What is empty still holds its buffer.
                self.ahead = Bytes::new();
            }
        } else if passed < read.len() {
            self.ahead = Bytes::copy_from_slice(&read[passed..]);
        }
        buf.set_filled(start + passed);
        self.burst += passed;
        // Nearly every head arrives whole, and then costs no timer.
        match self.framing.is_inside_head() && is_idle {
            true => self.head.start(),
            false => self.head.clear(),
        }
        Ok(passed)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(body) = self.in_hand.0.body.take() {
            self.framing.begin(body);
        }
        if self.framing.is_head_refused() {
            // The parser closes the connection once it comes to the refused byte.
            return Poll::Pending;
        }
        if self.framing.is_body_refused() {
            return Poll::Ready(Ok(()));
        }
        if self.burst >= BURST && !self.goes_on(cx.waker()) {
            return Poll::Pending;
        }
        if !self.ahead.is_empty() && self.framing.is_waiting(self.in_hand.is_idle()) {
            self.in_hand.0.held_back.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let start = buf.filled().len();
        let polled = self.poll_arrived(cx, buf);
        let is_end = buf.filled().len() == start;
        let passed = self.pass_on(buf, start)?;
        match self.head.poll(cx) {
            Poll::Ready(late) => Poll::Ready(Err(late)),
            // To the reader no bytes are the end of the connection.
            Poll::Pending if passed == 0 && !is_end && !self.framing.is_body_refused() => {
                self.in_hand.0.held_back.set(Some(cx.waker().clone()));
                Poll::Pending
            }
            Poll::Pending => polled,
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

    const HEAD: &str = "PUT / HTTP/1.1\r\n\r\n";
    const BODY: BodyFraming = BodyFraming::Sized(64 * BURST as u64);

    /// A connection, and its client.
    async fn connected() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Connection::new(stream, &Limits::default()), client)
    }

    /// A connection whose client has sent a head, which was read, and more of a body than anybody wants.
    async fn flooded() -> (Connection, TcpStream) {
        let (mut connection, mut client) = connected().await;
        client.write_all(HEAD.as_bytes()).await.unwrap();
        assert_eq!(read(&mut connection).await, HEAD.len());
        client.write_all(&[b'\n'; 8 * BURST]).await.unwrap();
        connection.burst = 0;
        (connection, client)
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
        in_hand.begin(BODY);
        assert_eq!(read(&mut connection).await, BURST);
        assert_eq!(read(&mut connection).await, 0);
        in_hand.want();
        assert_eq!(read(&mut connection).await, BURST);
        in_hand.end();
        assert_eq!(read(&mut connection).await, 6 * BURST, "what is left of a body is thrown away");
    }

    #[tokio::test]
    async fn little_of_a_body_is_read_with_its_head() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&[HEAD.as_bytes(), &[b'\n'; BURST]].concat()).await.unwrap();
        assert_eq!(read(&mut connection).await, HEAD.len());
        assert_eq!(connection.ahead.len(), HEAD_READ - HEAD.len());
        connection.in_hand().begin(BODY);
        assert_eq!(read(&mut connection).await, BURST);
    }

    #[tokio::test]
    async fn who_waits_for_a_body_wakes_its_connection() {
        let (mut connection, _client) = flooded().await;
        let in_hand = connection.in_hand();
        in_hand.begin(BODY);
        read(&mut connection).await;
        let mut buffer = [0; 1024];
        let reading = tokio::join!(timeout(Duration::from_secs(5), connection.read(&mut buffer)), async {
            tokio::task::yield_now().await;
            in_hand.want();
        });
        assert_eq!(reading.0.unwrap().unwrap(), 1024);
    }

    #[tokio::test]
    async fn what_is_behind_a_head_is_held_back_until_its_request_begins() {
        let (mut connection, mut client) = connected().await;
        let in_hand = connection.in_hand();
        let wire = format!("{HEAD}\n\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\nX: y\r\n\r\n");
        client.write_all(wire.as_bytes()).await.unwrap();
        assert_eq!(read(&mut connection).await, HEAD.len());
        assert_eq!(read(&mut connection).await, 0);
        in_hand.begin(BodyFraming::Sized(2));
        assert_eq!(read(&mut connection).await, 2);
        in_hand.end();
        assert_eq!(read(&mut connection).await, "GET / HTTP/1.1\r\n\r\n".len());
        in_hand.begin(BodyFraming::NONE);
        assert_eq!(read(&mut connection).await, 0);
        in_hand.end();
        assert_eq!(read(&mut connection).await, "GET / HTTP/1.1\n".len(), "the last byte is a NUL");
        assert_eq!(read(&mut connection).await, 0);
    }

    #[tokio::test]
    async fn a_request_that_begins_wakes_a_connection_that_holds_its_body_back() {
        let (mut connection, mut client) = connected().await;
        client.write_all(format!("{HEAD}body").as_bytes()).await.unwrap();
        assert_eq!(read(&mut connection).await, HEAD.len());
        let in_hand = connection.in_hand();
        let mut buffer = [0; 1024];
        let reading = tokio::join!(timeout(Duration::from_secs(5), connection.read(&mut buffer)), async {
            tokio::task::yield_now().await;
            in_hand.begin(BODY);
        });
        assert_eq!(reading.0.unwrap().unwrap(), 4);
    }
}
