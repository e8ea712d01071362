//! How one setting is read from text and written back: the same text in YAML, environment and flags.

use std::fmt;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::oci::{NamespacePattern, TagPattern};

/// A setting that is written as one text. `read(&v.write())` is `v` again.
pub trait Value: Sized {
    /// Takes several values, written as a YAML list or separated by commas.
    const LIST: bool = false;

    /// The error says what is allowed, without naming the key.
    fn read(text: &str) -> Result<Self, String>;
    fn write(&self) -> String;
}

/// Implements `Value` for an enum whose variants are words.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::config::Value for $type {
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("`{}` is not one of {}", text.escape_debug(), [$($word),+].join(", "))),
                }
            }

            fn write(&self) -> String {
                match self { $(Self::$variant => $word,)+ }.to_owned()
            }
        }
    };
}
pub(super) use words;

/// `true` or `false`; `on` and `off` too, because YAML writers turn one into the other.
impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err(format!("`{}` is neither true nor false", text.escape_debug())),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    fn read(text: &str) -> Result<Self, String> {
        digits(text)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("`{}` is not a whole number", text.escape_debug()))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for std::net::SocketAddr {
    /// Without a host, or with `*`, it is every IPv4 address of this machine; `localhost` is the loopback address.
    fn read(text: &str) -> Result<Self, String> {
        let refused = || {
            let shown = text.escape_debug();
            format!("`{shown}` is not an IP address and a port, like 127.0.0.1:5000 or [::]:5000")
        };
        let address = match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("0.0.0.0:{port}"),
            Some((host, port)) if host.eq_ignore_ascii_case("localhost") => format!("127.0.0.1:{port}"),
            _ => text.to_owned(),
        };
        address.parse().map_err(|_| refused())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Unset is the empty text.
impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::read(text).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map(T::write).unwrap_or_default()
    }
}

/// Separated by commas; spaces around an element do not count.
impl<T: Value> Value for Vec<T> {
    const LIST: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        text.split(',').map(|element| T::read(element.trim())).collect()
    }

    fn write(&self) -> String {
        self.iter().map(T::write).collect::<Vec<_>>().join(",")
    }
}

impl Value for TagPattern {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| format!("`{}`: {error}", text.escape_debug()))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for NamespacePattern {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| format!("`{}`: {error}", text.escape_debug()))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Longer ones could run over the end of the clock.
const MAX_MILLIS: u64 = 365 * 86_400_000;

/// A whole number and a unit: `500ms`, `30s`, `10m`, `24h`, `7d`; at most a year, precise to a millisecond.
impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        with_unit(text, &DURATION_UNITS)
            .filter(|millis| *millis <= MAX_MILLIS)
            .map(Duration::from_millis)
            .ok_or_else(|| {
                format!(
                    "`{}` is not a duration: a whole number and ms, s, m, h or d, like 30s; at most 365d",
                    text.escape_debug()
                )
            })
    }

    fn write(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 { "0s".to_owned() } else { in_largest_unit(millis, &DURATION_UNITS) }
    }
}

/// A number of bytes, written `64MiB`; `B`, `KiB`, `MiB`, `GiB` and `TiB` are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Value for ByteSize {
    fn read(text: &str) -> Result<Self, String> {
        with_unit(text, &SIZE_UNITS).map(ByteSize).ok_or_else(|| {
            format!(
                "`{}` is not a size: a whole number and B, KiB, MiB, GiB or TiB, like 64MiB",
                text.escape_debug()
            )
        })
    }

    fn write(&self) -> String {
        if self.0 == 0 { "0B".to_owned() } else { in_largest_unit(self.0, &SIZE_UNITS) }
    }
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits(number)?.parse::<u64>().ok()?.checked_mul(*factor)
}

fn in_largest_unit(amount: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| amount.is_multiple_of(*factor))
        .map_or_else(|| amount.to_string(), |(unit, factor)| format!("{}{unit}", amount / factor))
}

/// A short name for logs and metrics: 1 to 63 of letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// For the defaults, which a test reads back.
    pub(super) fn from_static(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for Label {
    fn read(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins_well && text.len() <= 63 && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{}` is not a name: 1 to 63 letters, digits, `-`, `_` or `.`, beginning with a letter or digit",
            text.escape_debug()
        ))
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}

/// Which log lines are written: a level, or levels per target as in `info,charthouse::journal=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl Value for LogFilter {
    fn read(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{}` is not a log filter: error, warn, info, debug or trace, or levels per target like info,charthouse::journal=debug",
                text.escape_debug()
            )
        };
        // A lone word that is no level would be taken for a target, and silence everything else.
        let lone_word = !text.contains(['=', ',', '[']);
        let level = ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
        // The parser of filters panics on some texts that are not ASCII.
        if text.is_empty() || !text.is_ascii() || (lone_word && !level) || EnvFilter::try_new(text).is_err() {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}
