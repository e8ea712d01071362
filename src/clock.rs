//! Time, randomness and ids as inputs: the core asks this seam, so that tests and the simulator can answer.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Where the core gets time and randomness from.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time; may jump in either direction, so it decides ages only and never order.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment of this process; never runs backwards.
    fn monotonic(&self) -> Duration;
    /// 128 fresh random bits.
    fn random(&self) -> u128;

    /// A UUID v7 whose time part is `at` (RFC 9562 section 5.7).
    fn uuid(&self, at: Timestamp) -> Uuid {
        let millis = (at.micros().max(0) / 1_000) as u64;
        let [_, _, _, _, _, _, random @ ..] = self.random().to_be_bytes();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The machine's clock and the operating system's randomness.
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&self) -> u128 {
        RANDOM.with_borrow_mut(|pool| {
            if pool.is_empty() {
                let mut bytes = [[0; 16]; RANDOM_POOL];
                // The kernel refuses only before it is seeded at boot; the hash state of `Uuid` does not help then either.
                if getrandom::fill(bytes.as_flattened_mut()).is_err() {
                    return Uuid::now_v7().as_u128();
                }
                pool.extend(bytes.map(u128::from_ne_bytes));
            }
            pool.pop().unwrap_or_default()
        })
    }
}

/// Numbers asked of the kernel at once: each call of it costs as much as handling a header of a request.
const RANDOM_POOL: usize = 32;

thread_local! {
    /// Random numbers of this thread that were not used yet. Each is used once.
    static RANDOM: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
}

/// Microseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 with six decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `self + by`, held at the largest time there is.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// `self - by`, held at the smallest time there is.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut TEMPLATE.clone()).ok_or(fmt::Error)?)
    }
}

/// The text of a timestamp, with zeros for its digits.
const TEMPLATE: [u8; 27] = *b"0000-00-00T00:00:00.000000Z";

impl Timestamp {
    /// Writes the text into `template`; nothing for a year that has not four digits.
    fn write(self, template: &mut [u8; TEMPLATE.len()]) -> Option<&str> {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).ok()?;
        let (year, (hour, minute, second, micros)) = (u32::try_from(at.year()).ok()?, at.to_hms_micro());
        let (month, day) = (u8::from(at.month()).into(), at.day().into());
        let fields: [(usize, usize, u32); 7] = [
            (0, 4, year),
            (5, 7, month),
            (8, 10, day),
            (11, 13, hour.into()),
            (14, 16, minute.into()),
            (17, 19, second.into()),
            (20, 26, micros),
        ];
        for (start, end, mut number) in fields {
            for digit in template[start..end].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        std::str::from_utf8(template).ok()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut template = TEMPLATE;
        let text = self
            .write(&mut template)
            .ok_or_else(|| ser::Error::custom("not a time with a year of four digits"))?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_written_with_six_decimals_and_read_back() {
        let at = Timestamp::from_micros(1_767_323_045_678_901);
        assert_eq!(at.to_string(), "2026-01-02T03:04:05.678901Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    proptest! {
        #[test]
        fn every_time_that_has_a_year_of_four_digits_is_read_back(micros in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9TZtz:. ]{0,40}|\\PC{0,40}") {
            if let Some(at) = Timestamp::parse(&text) {
                prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
            }
        }
    }

    #[test]
    fn random_numbers_do_not_repeat_within_or_between_threads() {
        let numbers = || (0..1_000).map(|_| SystemClock::default().random()).collect::<Vec<_>>();
        let other = std::thread::spawn(numbers);
        let mut all = numbers();
        all.extend(other.join().unwrap());
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(all.iter().fold(0, |bits, number| bits | number) == u128::MAX);
    }

    #[test]
    fn uuids_carry_their_time_and_version() {
        let clock = SystemClock::default();
        let at = Timestamp::from_micros(1_767_323_045_678_901);
        let id = clock.uuid(at);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.get_timestamp().map(|t| t.to_unix().0), Some(1_767_323_045));
        assert!(id < clock.uuid(at.plus(Duration::from_millis(1))));
    }
}
