//! Decompression with a budget: what comes out is counted, whatever the archive says of itself.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::InvalidPackage;

/// Block compressors make a member of some 64 KiB each; a member costs time however little is in it.
const MAX_MEMBERS: u32 = 4_096;

/// What may still be read of a package and of the packages inside of it together.
pub(super) struct Budget {
    bytes: Cell<u64>,
    entries: Cell<u32>,
    spent: Cell<bool>,
}

impl Budget {
    pub(super) fn new(bytes: u64, entries: u32) -> Self {
        Self { bytes: Cell::new(bytes), entries: Cell::new(entries), spent: Cell::new(false) }
    }

    /// Whether there was an entry left to take.
    pub(super) fn take_entry(&self) -> bool {
        let left = self.entries.get();
        self.entries.set(left.saturating_sub(1));
        left > 0
    }

    /// Whether an error of a reader means that no bytes were left.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.get()
    }

    fn take_bytes(&self, count: usize) -> io::Result<()> {
        match self.bytes.get().checked_sub(count as u64) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => {
                self.spent.set(true);
                Err(io::Error::other("no bytes are left"))
            }
        }
    }
}

/// The content of one or more gzip members.
pub(super) struct Gunzip<'a, R: Read> {
    state: State<BufReader<R>>,
    members: u32,
    budget: &'a Budget,
}

enum State<R> {
    Member(Box<GzDecoder<R>>),
    /// Behind the last member; whether anything else follows it.
    End(bool),
}

impl<'a, R: Read> Gunzip<'a, R> {
    /// # Errors
    /// `NotGzip`, or that `input` cannot be read.
    pub(super) fn new(input: R, budget: &'a Budget) -> Result<Self, InvalidPackage> {
        let mut input = BufReader::with_capacity(32 * 1024, input);
        let first = input.fill_buf().map_err(InvalidPackage::Unreadable)?;
        if first.first() != Some(&0x1f) || first.get(1).is_some_and(|second| *second != 0x8b) {
            return Err(InvalidPackage::NotGzip);
        }
        Ok(Self { state: State::Member(Box::new(GzDecoder::new(input))), members: 1, budget })
    }

    /// Whether something that is no gzip member stands behind the last one; known at the end.
    pub(super) fn has_trailing_bytes(&self) -> bool {
        matches!(self.state, State::End(true))
    }

    /// Goes on to the next member, if one follows.
    fn next_member(&mut self) -> io::Result<()> {
        let State::Member(decoder) = std::mem::replace(&mut self.state, State::End(false)) else {
            return Ok(());
        };
        let mut input = decoder.into_inner();
        match input.fill_buf()?.first() {
            None => {}
            Some(0x1f) if self.members == MAX_MEMBERS => {
                let rule = format!("it has more than {MAX_MEMBERS} gzip members");
                return Err(io::Error::new(io::ErrorKind::InvalidData, rule));
            }
            Some(0x1f) => {
                self.members += 1;
                self.state = State::Member(Box::new(GzDecoder::new(input)));
            }
            Some(_) => self.state = State::End(true),
        }
        Ok(())
    }
}

impl<R: Read> Read for Gunzip<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let State::Member(decoder) = &mut self.state {
            match decoder.read(buffer)? {
                0 if !buffer.is_empty() => self.next_member()?,
                count => {
                    self.budget.take_bytes(count)?;
                    return Ok(count);
                }
            }
        }
        Ok(0)
    }
}
