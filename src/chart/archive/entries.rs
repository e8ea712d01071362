//! The entries of a tar archive. Readers of tar differ in what they make of a damaged or clever header; where they do,
//! it is refused, and what they all skip is skipped. The walk from header to header is our own for that reason; the
//! `tar` crate knows the fields.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::extension::{Extension, check_global};
use super::gunzip::Budget;
use super::{InvalidPackage, TarFault};

const BLOCK: usize = 512;

/// Of a header that describes the entry behind it: a long name and attributes.
const MAX_EXTENSION: u64 = 256 * 1024;

/// Bits of a mode that say what kind of file it is, and those of a file and of a directory.
const KIND: u64 = 0o170_000;
const FILE: u64 = 0o100_000;
const DIRECTORY: u64 = 0o040_000;

/// A file of the archive: what is not one is skipped or refused.
pub(super) struct Entry {
    pub name: Vec<u8>,
    pub size: u64,
}

pub(super) struct Entries<'a, R> {
    input: R,
    budget: &'a Budget,
    /// What is left of the entry, and of the block that it ends in.
    content: u64,
    padding: u64,
    end: Option<End>,
}

/// How the archive ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Two blocks of zeros, then nothing but zeros.
    Marked,
    /// Two blocks of zeros, then other bytes.
    Followed,
    /// No block of zeros.
    Missing,
}

impl<'a, R: Read> Entries<'a, R> {
    pub(super) fn new(input: R, budget: &'a Budget) -> Self {
        Self { input, budget, content: 0, padding: 0, end: None }
    }

    /// The next file, whose content can be read from `self` after this.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, InvalidPackage> {
        let mut extension = Extension::default();
        loop {
            let rest = self.content + self.padding;
            (self.content, self.padding) = (0, 0);
            self.skip(rest)?;
            let Some(header) = self.header()? else {
                return if extension.is_empty() { Ok(None) } else { Err(TarFault::LostExtension.into()) };
            };
            let field = &header.as_old().size;
            // Without digits, it is 0 to some and an error to others.
            let size = octal(field).filter(|size| *size > 0 || field.contains(&b'0'));
            let size = size.ok_or(TarFault::Number("size"))?;
            match header.entry_type() {
                EntryType::XHeader => {
                    let bytes = self.extension(size)?;
                    extension.add_records(&bytes)?;
                }
                EntryType::GNULongName => {
                    let bytes = self.extension(size)?;
                    extension.add_long_name(bytes)?;
                }
                EntryType::XGlobalHeader if extension.is_empty() => {
                    let bytes = self.extension(size)?;
                    check_global(&bytes)?;
                }
                EntryType::XGlobalHeader => return Err(TarFault::LostExtension.into()),
                _ => match self.entry(&header, size, &mut extension)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => extension = Extension::default(),
                },
            }
        }
    }

    /// How the archive ended; known when there is no next entry.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    pub(super) fn into_inner(self) -> R {
        self.input
    }

    /// The file of `header`, or nothing for a directory.
    fn entry(
        &mut self,
        header: &Header,
        size: u64,
        extension: &mut Extension,
    ) -> Result<Option<Entry>, InvalidPackage> {
        let name = extension.name(header)?;
        let mode = octal(&header.as_old().mode).ok_or(TarFault::Number("mode"))?;
        let is_old_directory = header.as_bytes()[156] == 0 && name.ends_with(b"/");
        let (is_directory, kind) = match header.entry_type() {
            EntryType::Directory => (true, DIRECTORY),
            EntryType::Regular if is_old_directory => (true, DIRECTORY),
            EntryType::Regular => (false, FILE),
            other => return Err(refused_kind(&name, other)),
        };
        if mode & KIND != 0 && mode & KIND != kind {
            return Err(TarFault::Mode.into());
        }
        if extension.says_other_size(size) {
            return Err(TarFault::Sizes.into());
        }
        if is_directory {
            return if size == 0 { Ok(None) } else { Err(TarFault::DirectorySize.into()) };
        }
        if name.ends_with(b"/") {
            return Err(TarFault::FileOrDirectory.into());
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(Some(Entry { name, size }))
    }

    /// The next header; nothing at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, InvalidPackage> {
        let Some(block) = self.block()? else {
            self.end = Some(End::Missing);
            return Ok(None);
        };
        if block == [0; BLOCK] {
            self.finish()?;
            return Ok(None);
        }
        if !self.budget.take_entry() {
            return Err(InvalidPackage::TooManyEntries);
        }
        let header = Header::from_byte_slice(&block).clone();
        check(&header)?;
        Ok(Some(header))
    }

    /// Reads to the end of the input, so that all of it is known to be whole.
    fn finish(&mut self) -> Result<(), InvalidPackage> {
        self.end = Some(End::Marked);
        match self.block()? {
            Some(block) if block != [0; BLOCK] => return Err(TarFault::LoneZeroBlock.into()),
            _ => {}
        }
        let mut buffer = [0; 8 * 1024];
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) if buffer[..count].iter().any(|byte| *byte != 0) => self.end = Some(End::Followed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    /// A whole block, or nothing at the end of the input.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, InvalidPackage> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(TarFault::Truncated.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(Some(block))
    }

    /// The content of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, InvalidPackage> {
        if size > MAX_EXTENSION {
            return Err(TarFault::LongExtension.into());
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        self.content(true)
    }

    /// Reads the content of the entry to its end, and gives it if it is to be kept.
    pub(super) fn content(&mut self, keep: bool) -> Result<Vec<u8>, InvalidPackage> {
        let mut bytes = Vec::new();
        let left = std::mem::take(&mut self.content);
        if keep {
            (&mut self.input).take(left).read_to_end(&mut bytes).map_err(|error| self.error(error))?;
            return if bytes.len() as u64 == left { Ok(bytes) } else { Err(TarFault::Truncated.into()) };
        }
        self.skip(left)?;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), InvalidPackage> {
        let skipped = io::copy(&mut (&mut self.input).take(count), &mut io::sink());
        let skipped = skipped.map_err(|error| self.error(error))?;
        if skipped == count { Ok(()) } else { Err(TarFault::Truncated.into()) }
    }

    fn error(&self, error: io::Error) -> InvalidPackage {
        InvalidPackage::from_reader(error, self.budget)
    }
}

/// The content of the entry.
impl<R: Read> Read for Entries<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.input).take(self.content).read(buffer)?;
        if count == 0 && self.content > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= count as u64;
        Ok(count)
    }
}

/// What has to hold for every header.
fn check(header: &Header) -> Result<(), TarFault> {
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let expected = sum(&bytes[..148]) + 8 * u64::from(b' ') + sum(&bytes[156..]);
    let old = header.as_old();
    if octal(&old.cksum) != Some(expected) {
        return Err(TarFault::Checksum);
    }
    // Where ustar has the front of a name, others have times, maps of sparse files or nothing. What is neither ustar nor
    // GNU is to some readers a header of 1979.
    let has_front = bytes[345..500].iter().any(|byte| *byte != 0);
    let is_posix = bytes[257..265] == *b"ustar\x0000" && bytes[508..] != *b"tar\0";
    // Extensions of other formats are files to some readers.
    let is_extension =
        matches!(header.entry_type(), EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName);
    let is_known = header.as_ustar().is_some() || header.as_gnu().is_some();
    if (has_front && !is_posix) || (is_extension && !is_known) {
        return Err(TarFault::Format);
    }
    let numbers = [(&old.uid[..], "uid"), (&old.gid[..], "gid"), (&old.mtime[..], "mtime")];
    let devices = [(&bytes[329..337], "device number"), (&bytes[337..345], "device number")];
    let of_devices = if bytes[257..262] == *b"ustar" { &devices[..] } else { &[] };
    for (field, name) in numbers.iter().chain(of_devices) {
        if field[0] & 0x80 == 0 && octal(field).is_none() {
            return Err(TarFault::Number(name));
        }
    }
    Ok(())
}

/// A number as all readers read it: spaces, digits, then spaces and zeros; a field without digits is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = field[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let (mut number, mut end) = (0_u64, start);
    for digit in digits {
        number = number.checked_mul(8)? + u64::from(digit - b'0');
        end += 1;
    }
    field[end..].iter().all(|byte| matches!(byte, b' ' | 0)).then_some(number)
}

fn refused_kind(name: &[u8], kind: EntryType) -> InvalidPackage {
    let kind = match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of a kind that readers take differently",
    };
    InvalidPackage::Kind { name: super::shown(name), kind }
}
