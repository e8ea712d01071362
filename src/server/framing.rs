//! Follows the bytes of a connection from message to message and inspects each request head before the parser does.
//!
//! The parser of actix takes a bare LF for the end of a line. A proxy that does not sees another request in the same
//! bytes, which is what request smuggling needs (RFC 9112 sections 2.2 and 11.2). The parser keeps no raw head, so heads
//! are inspected on their way to it.
//!
//! Where a body ends is never guessed: one head at a time is passed on, and the bytes behind it wait until the request
//! begins, with the body that the parser found in the head. So a body is never taken for a head, nor a head for a body.
//! The next head waits until the request has ended: actix would take its unread body for that of the request before, and
//! close the connection.

use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_http::{Method, Payload, Request, RequestHead};

/// The most bytes of one line of a head: the parser of actix panics on a header name of 65,536 bytes.
const MAX_LINE: usize = 60 * 1024;

/// The body that follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    Sized(u64),
    Chunked,
    /// Everything until the connection ends: the parser's view of CONNECT and of web sockets.
    UntilClose,
}

impl BodyFraming {
    pub(super) const NONE: Self = Self::Sized(0);

    /// Returns what the parser of actix has decided for `request`, whose payload must not be taken yet.
    pub(super) fn of(request: &mut Request) -> Self {
        match request.payload() {
            Payload::None => Self::NONE,
            _ => Self::of_head(request.head()),
        }
    }

    /// The order of the cases is that of the parser.
    fn of_head(head: &RequestHead) -> Self {
        let is_web_socket =
            || head.headers.get_all(UPGRADE).any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        // The parser has refused every other coding.
        if head.headers.contains_key(TRANSFER_ENCODING) {
            return Self::Chunked;
        }
        match content_length(head) {
            _ if is_web_socket() => Self::UntilClose,
            Some(length) if length > 0 => Self::Sized(length),
            _ if head.method == Method::CONNECT => Self::UntilClose,
            _ => Self::NONE,
        }
    }
}

/// Returns the declared length of the body. The parser has refused what is not a number.
pub(super) fn content_length(head: &RequestHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// A line of a head is longer than [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

/// The position of a connection's next byte in its messages.
#[derive(Default)]
pub(super) struct Framing(State);

enum State {
    Head(Head),
    /// A head was passed on, and its request has not begun yet.
    HeadComplete,
    Sized(u64),
    Chunked(Chunked),
    UntilClose,
    /// A head has a bare LF. The parser was given a NUL in its place and answers 400.
    HeadRefused,
    /// The trailers of a chunked body have a bare LF. The body counts as broken off.
    BodyRefused,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Framing {
    /// Whether the next bytes have to wait: for the request of the last head to begin, or to end, unless it `is_idle`.
    pub(super) fn is_waiting(&self, is_idle: bool) -> bool {
        match &self.0 {
            State::HeadComplete => true,
            State::Head(head) => !head.has_bytes && !is_idle,
            _ => false,
        }
    }

    /// Whether the next bytes are not known to be those of a body.
    pub(super) fn is_at_head(&self) -> bool {
        matches!(self.0, State::Head(_) | State::HeadComplete)
    }

    /// Whether part of a head was passed on, and not all of it.
    pub(super) fn is_inside_head(&self) -> bool {
        matches!(self.0, State::Head(Head { has_bytes: true, .. }))
    }

    pub(super) fn is_head_refused(&self) -> bool {
        matches!(self.0, State::HeadRefused)
    }

    pub(super) fn is_body_refused(&self) -> bool {
        matches!(self.0, State::BodyRefused)
    }

    /// The request of the last head begins, with this body.
    pub(super) fn begin(&mut self, body: BodyFraming) {
        if matches!(self.0, State::HeadComplete) {
            self.0 = match body {
                BodyFraming::NONE => State::default(),
                BodyFraming::Sized(length) => State::Sized(length),
                BodyFraming::Chunked => State::Chunked(Chunked::default()),
                BodyFraming::UntilClose => State::UntilClose,
            };
        }
    }

    /// Returns how many of `bytes`, which come next on the connection, may be passed on to the parser now. `is_idle` says
    /// that every request has ended. Puts a NUL in the place of a bare LF in a head: no state of the parser accepts one.
    pub(super) fn inspect(&mut self, bytes: &mut [u8], is_idle: bool) -> Result<usize, LineTooLong> {
        let mut at = 0;
        while at < bytes.len() && !self.is_waiting(is_idle) {
            let rest = &mut bytes[at..];
            match &mut self.0 {
                State::Head(head) => match head.inspect(rest)? {
                    Inspected::Incomplete => return Ok(bytes.len()),
                    Inspected::Complete(passed) => {
                        self.0 = State::HeadComplete;
                        return Ok(at + passed);
                    }
                    Inspected::BareLf(lf) => {
                        rest[lf] = 0;
                        self.0 = State::HeadRefused;
                        return Ok(at + lf + 1);
                    }
                },
                State::Sized(left) => {
                    let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= passed as u64;
                    if *left == 0 {
                        self.0 = State::default();
                    }
                    at += passed;
                }
                State::Chunked(chunked) => match chunked.inspect(rest) {
                    Inspected::Incomplete => return Ok(bytes.len()),
                    Inspected::Complete(passed) => {
                        self.0 = State::default();
                        at += passed;
                    }
                    Inspected::BareLf(lf) => {
                        self.0 = State::BodyRefused;
                        return Ok(at + lf);
                    }
                },
                State::UntilClose => return Ok(bytes.len()),
                State::HeadComplete | State::HeadRefused | State::BodyRefused => return Ok(at),
            }
        }
        Ok(at)
    }
}

enum Inspected {
    Incomplete,
    /// It ends after this many bytes.
    Complete(usize),
    /// At this place.
    BareLf(usize),
}

/// A position in a request head.
#[derive(Default)]
struct Head {
    has_bytes: bool,
    /// Whether a line with something on it came before: the next empty line then ends the head.
    has_line: bool,
    /// Bytes of the line so far, with its CR.
    length: usize,
    ends_with_cr: bool,
}

impl Head {
    /// A bare CR is left to the parser, which refuses it wherever it stands in a head.
    fn inspect(&mut self, bytes: &[u8]) -> Result<Inspected, LineTooLong> {
        self.has_bytes = true;
        let mut start = 0;
        while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
            let lf = start + length;
            let is_after_cr = if length == 0 { self.ends_with_cr } else { bytes[lf - 1] == b'\r' };
            if !is_after_cr {
                return Ok(Inspected::BareLf(lf));
            }
            self.extend_line(length)?;
            let is_empty = self.length == 1;
            if is_empty && self.has_line {
                return Ok(Inspected::Complete(lf + 1));
            }
            self.has_line |= !is_empty;
            (self.length, self.ends_with_cr) = (0, false);
            start = lf + 1;
        }
        if let Some(last) = bytes[start..].last() {
            self.ends_with_cr = *last == b'\r';
        }
        self.extend_line(bytes.len() - start)?;
        Ok(Inspected::Incomplete)
    }

    fn extend_line(&mut self, bytes: usize) -> Result<(), LineTooLong> {
        self.length += bytes;
        if self.length <= MAX_LINE { Ok(()) } else { Err(LineTooLong) }
    }
}

/// A position in a chunked body (RFC 9112 section 7.1). The parser refuses what breaks the grammar, so only bodies that
/// it accepts have to be followed exactly; but it takes a bare LF in the trailers.
#[derive(Default)]
struct Chunked {
    part: Part,
    /// Of the chunk, and later what is left of it.
    size: u64,
}

#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
}

impl Chunked {
    fn inspect(&mut self, bytes: &[u8]) -> Inspected {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            self.part = match (self.part, byte) {
                (Part::Data, _) => {
                    let passed = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                    self.size -= passed as u64;
                    at += passed;
                    if self.size == 0 {
                        self.part = Part::DataCr;
                    }
                    continue;
                }
                (Part::Size | Part::Extension, b'\r') => Part::SizeLf,
                (Part::Size, digit) => match char::from(*digit).to_digit(16) {
                    Some(digit) => {
                        self.size = self.size.saturating_mul(16).saturating_add(digit.into());
                        Part::Size
                    }
                    None => Part::Extension,
                },
                (Part::Extension, _) => Part::Extension,
                (Part::SizeLf, _) if self.size == 0 => Part::TrailerStart,
                (Part::SizeLf, _) => Part::Data,
                (Part::DataCr, _) => Part::DataLf,
                (Part::DataLf, _) => Part::Size,
                (Part::TrailerStart | Part::Trailer, b'\n') => return Inspected::BareLf(at),
                (Part::TrailerStart, b'\r') => Part::EndLf,
                (Part::Trailer, b'\r') => Part::TrailerLf,
                (Part::TrailerStart | Part::Trailer, _) => Part::Trailer,
                (Part::TrailerLf, _) => Part::TrailerStart,
                (Part::EndLf, _) => return Inspected::Complete(at + 1),
            };
            at += 1;
        }
        Inspected::Incomplete
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Passes `wire` on in pieces of `size` bytes, as a connection does, to a parser that finds `bodies` in the heads in
    /// turn. Returns what was passed on, and the number of heads.
    fn pass(wire: &[u8], size: usize, bodies: &[BodyFraming]) -> (Vec<u8>, usize, Framing) {
        let (mut framing, mut passed, mut heads) = (Framing::default(), Vec::new(), 0);
        let mut bodies = bodies.iter();
        for piece in wire.chunks(size) {
            let mut piece = piece.to_vec();
            let mut rest = &mut piece[..];
            loop {
                let count = framing.inspect(rest, true).expect("no long line");
                passed.extend_from_slice(&rest[..count]);
                rest = &mut rest[count..];
                if !framing.is_waiting(true) {
                    break;
                }
                heads += 1;
                framing.begin(*bodies.next().unwrap_or(&BodyFraming::NONE));
            }
        }
        (passed, heads, framing)
    }

    fn sizes(wire: &[u8]) -> impl Iterator<Item = usize> {
        1..=wire.len()
    }

    #[test]
    fn good_messages_pass_unchanged_in_pieces_of_any_size() {
        let chunked = "5;a=b\r\n\n\n\r\n\n\r\nA \r\n0\n\n\r\n\r\n\nab\n\r\n000\r\nTrailer: x\r\nX:y\r\n\r\n";
        let messages = [
            (GET.to_owned(), BodyFraming::NONE),
            (format!("\r\n\r\n{GET}"), BodyFraming::NONE),
            (format!("{GET}\n\na\r\n\r\n\nb"), BodyFraming::Sized(9)),
            (format!("{GET}{chunked}"), BodyFraming::Chunked),
            (format!("{GET}0\r\n\r\n"), BodyFraming::Chunked),
            (GET.to_owned(), BodyFraming::NONE),
        ];
        let wire: String = messages.iter().map(|(message, _)| message.as_str()).collect();
        let bodies = messages.each_ref().map(|(_, body)| *body);
        for size in sizes(wire.as_bytes()) {
            let (passed, heads, framing) = pass(wire.as_bytes(), size, &bodies);
            assert!(passed == wire.as_bytes(), "pieces of {size}: {}", passed.escape_ascii());
            assert_eq!(heads, messages.len(), "pieces of {size}");
            assert!(!framing.is_inside_head());
        }
    }

    #[test]
    fn a_bare_lf_in_a_head_becomes_a_nul_and_nothing_behind_it_passes() {
        // A request whose body is two bare LFs comes first.
        let good = format!("{GET}\n\n");
        let heads = [
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET /\n HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\n\nHost: a\r\n\r\n",
        ];
        for head in heads {
            let is_bare_lf = |(at, _): &(usize, &str)| !head[..*at].ends_with('\r');
            let (lf, _) = head.match_indices('\n').find(is_bare_lf).expect("a bare LF");
            let wire = format!("{good}{head}{GET}");
            let expected = format!("{good}{}\0", &head[..lf]);
            for size in sizes(wire.as_bytes()) {
                let (passed, heads, framing) = pass(wire.as_bytes(), size, &[BodyFraming::Sized(2)]);
                assert_eq!(passed.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
                assert_eq!(heads, 1, "{head:?} in pieces of {size}");
                assert!(framing.is_head_refused());
            }
        }
    }

    #[test]
    fn a_bare_lf_in_trailers_ends_the_body() {
        for trailers in ["\n", "X: a\n\r\n", "X: a\r\n\n", "X: a\r\nY\n: b\r\n\r\n"] {
            let wire = format!("{GET}1\r\na\r\n0\r\n{trailers}{GET}");
            for size in sizes(wire.as_bytes()) {
                let (passed, heads, framing) = pass(wire.as_bytes(), size, &[BodyFraming::Chunked]);
                assert!(framing.is_body_refused(), "{trailers:?}");
                assert_eq!(heads, 1);
                assert!(wire.as_bytes().starts_with(&passed), "{}", passed.escape_ascii());
            }
        }
    }

    #[test]
    fn a_long_line_is_refused_and_a_long_head_is_not() {
        let mut framing = Framing::default();
        assert_eq!(framing.inspect(&mut vec![b'a'; MAX_LINE], true), Ok(MAX_LINE));
        assert_eq!(framing.inspect(&mut [b'a'], true), Err(LineTooLong));
        let mut head = "X: a\r\n".repeat(20_000).into_bytes();
        assert_eq!(Framing::default().inspect(&mut head, true), Ok(head.len()));
    }

    #[test]
    fn a_body_waits_for_its_request_to_begin_and_a_head_for_the_request_before_to_end() {
        let mut framing = Framing::default();
        let mut wire = format!("{GET}abc{GET}").into_bytes();
        let mut rest = &mut wire[..];
        for (is_idle, passed) in [(true, GET.len()), (true, 0)] {
            assert_eq!(framing.inspect(rest, is_idle), Ok(passed));
            assert!(framing.is_waiting(true));
            rest = &mut rest[passed..];
        }
        framing.begin(BodyFraming::Sized(3));
        for (is_idle, passed) in [(false, 3), (false, 0), (true, GET.len())] {
            assert_eq!(framing.inspect(rest, is_idle), Ok(passed));
            rest = &mut rest[passed..];
        }
        framing.begin(BodyFraming::UntilClose);
        assert_eq!(framing.inspect(&mut [b'a'], false), Ok(1));
    }

    proptest! {
        #[test]
        fn bodies_of_any_bytes_pass_unchanged(
            bodies in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 1..5),
            size in 1usize..50,
        ) {
            let (mut wire, mut framings) = (Vec::new(), Vec::new());
            for (is_chunked, body) in &bodies {
                wire.extend_from_slice(GET.as_bytes());
                if *is_chunked {
                    for chunk in body.chunks(7) {
                        wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                        wire.extend_from_slice(chunk);
                        wire.extend_from_slice(b"\r\n");
                    }
                    wire.extend_from_slice(b"0\r\n\r\n");
                    framings.push(BodyFraming::Chunked);
                } else {
                    wire.extend_from_slice(body);
                    framings.push(BodyFraming::Sized(body.len() as u64));
                }
            }
            let (passed, heads, framing) = pass(&wire, size, &framings);
            prop_assert_eq!(passed, wire);
            prop_assert_eq!(heads, bodies.len());
            prop_assert!(!framing.is_inside_head());
        }
    }
}
