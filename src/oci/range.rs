//! Byte ranges: `Range` of reads (RFC 9110 section 14.2) and `Content-Range` of uploads (OCI distribution).

use std::ops::Range;

use thiserror::Error;

/// What a `Range` header asks for of a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// No range, several, or none that can be read: the whole body is the answer.
    Whole,
    Satisfiable(Range<u64>),
    Unsatisfiable,
}

/// The bytes of an upload that a request carries: `first-last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadRange {
    pub first: u64,
    pub last: u64,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the Content-Range of an upload is `first-last` in bytes, with first <= last")]
pub struct InvalidUploadRange;

impl RangeRequest {
    /// Reads a `Range` header for a body of `length` bytes.
    pub fn parse(header: &str, length: u64) -> Self {
        let Some((unit, spec)) = header.split_once('=') else { return Self::Whole };
        let Some((first, last)) = spec.trim_matches([' ', '\t']).split_once('-') else { return Self::Whole };
        if !unit.eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        match (position(first), position(last)) {
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(first), Some(last)) => Self::of(first, last.saturating_add(1), length),
            (Some(first), None) if last.is_empty() => Self::of(first, length, length),
            (None, Some(0)) if first.is_empty() => Self::Unsatisfiable,
            (None, Some(count)) if first.is_empty() => Self::of(length.saturating_sub(count), length, length),
            _ => Self::Whole,
        }
    }

    fn of(start: u64, end: u64, length: u64) -> Self {
        if start < length { Self::Satisfiable(start..end.min(length)) } else { Self::Unsatisfiable }
    }
}

impl UploadRange {
    pub fn parse(header: &str) -> Result<Self, InvalidUploadRange> {
        let (first, last) = header.split_once('-').ok_or(InvalidUploadRange)?;
        match (position(first), position(last)) {
            (Some(first), Some(last)) if first <= last && last < u64::MAX => Ok(Self { first, last }),
            _ => Err(InvalidUploadRange),
        }
    }

    /// How many bytes it covers.
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Digits only; a number that is too large stands for the largest.
fn position(digits: &str) -> Option<u64> {
    let legal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    legal.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_a_body_of_ten_bytes() {
        use RangeRequest::{Satisfiable, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-3", Satisfiable(0..4)),
            ("bytes=9-9", Satisfiable(9..10)),
            ("Bytes=0-3", Satisfiable(0..4)),
            ("bytes= 0-3 ", Satisfiable(0..4)),
            ("bytes=3-", Satisfiable(3..10)),
            ("bytes=-4", Satisfiable(6..10)),
            ("bytes=-40", Satisfiable(0..10)),
            ("bytes=5-99999999999999999999999", Satisfiable(5..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=4-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=a-b", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=--1", Whole),
            ("bytes=0-3,", Whole),
            ("bytes=0 - 3", Whole),
            ("bytes=0x0-3", Whole),
            ("bytes 0-3", Whole),
            ("bytes", Whole),
            ("lines=0-3", Whole),
            ("", Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(RangeRequest::parse(header, 10), expected, "{header}");
        }
        assert_eq!(RangeRequest::parse("bytes=0-", 0), Unsatisfiable);
    }

    #[test]
    fn upload_ranges_are_two_numbers_in_order() {
        assert_eq!(UploadRange::parse("0-9"), Ok(UploadRange { first: 0, last: 9 }));
        assert_eq!(UploadRange::parse("5-5").map(UploadRange::length), Ok(1));
        for bad in [
            "",
            "-",
            "5",
            "5-",
            "-5",
            "9-0",
            "bytes 0-9",
            "0-9/10",
            " 0-9",
            "0x1-2",
            "0-18446744073709551615",
        ] {
            assert_eq!(UploadRange::parse(bad), Err(InvalidUploadRange), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_range_asks_for_the_bytes_that_a_reader_would_pick(a in 0u64..20, b in 0u64..20, length in 0u64..20) {
            let picked = |header: String| match RangeRequest::parse(&header, length) {
                RangeRequest::Whole => None,
                RangeRequest::Satisfiable(range) => Some(range.collect::<Vec<_>>()),
                RangeRequest::Unsatisfiable => Some(Vec::new()),
            };
            let body = 0..length;
            let from_to = (a <= b).then(|| body.clone().filter(|i| (a..=b).contains(i)).collect());
            prop_assert_eq!(picked(format!("bytes={a}-{b}")), from_to);
            prop_assert_eq!(picked(format!("bytes={a}-")), Some(body.clone().filter(|i| *i >= a).collect()));
            prop_assert_eq!(picked(format!("bytes=-{b}")), Some(body.filter(|i| *i + b >= length).collect()));
        }

        #[test]
        fn a_satisfiable_range_lies_within_the_body(header in "(bytes=)?[0-9, -]{0,30}|\\PC{0,30}", length: u64) {
            if let RangeRequest::Satisfiable(range) = RangeRequest::parse(&header, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }

        #[test]
        fn an_upload_range_is_what_was_written(header in "[0-9]{1,20}-[0-9]{1,20}|\\PC{0,12}", first: u64, length in 1u64..1_000) {
            if let Ok(range) = UploadRange::parse(&header) {
                prop_assert_eq!(range.length(), range.last - range.first + 1);
            }
            let last = first.saturating_add(length - 1);
            let read = UploadRange::parse(&format!("{first}-{last}"));
            prop_assert_eq!(read.is_ok(), last < u64::MAX);
            let expected = UploadRange { first, last };
            prop_assert!(read.is_err() || read == Ok(expected));
        }
    }
}
