//! What a scalar is: a text, a number, a truth or nothing. Follows resolve.go of go-yaml v2.4.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::Yaml;

const PREFIX: &str = "tag:yaml.org,2002:";

/// As Go's decoder: what the last digit has beyond whole bytes does not count.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Returns the value of a scalar.
///
/// # Errors
/// The rule that is broken.
pub(super) fn scalar(value: &str, tag: &str, is_plain: bool) -> Result<Yaml, String> {
    let text = || Yaml::Text(value.to_owned());
    if tag.is_empty() {
        return Ok(if is_plain { plain(value) } else { text() });
    }
    let wrong = || format!("the tag !!{} is not that of the value behind it", &tag[PREFIX.len()..]);
    match (tag.strip_prefix(PREFIX), plain(value)) {
        (Some("str"), _) => Ok(text()),
        (Some("bool"), truth @ Yaml::Truth(_)) => Ok(truth),
        (Some("int"), number @ (Yaml::Int(_) | Yaml::Large(_))) => Ok(number),
        (Some("float"), number @ Yaml::Float(_)) => Ok(number),
        (Some("float"), Yaml::Int(number)) => Ok(Yaml::Float(number as f64)),
        (Some("null"), Yaml::Null) => Ok(Yaml::Null),
        (Some("bool" | "int" | "float" | "null"), _) => Err(wrong()),
        (Some("timestamp"), _) => Err("the tag !!timestamp is not taken: leave it out".to_owned()),
        (Some("binary"), _) => binary(value).map(Yaml::Text),
        _ => Ok(text()),
    }
}

fn binary(value: &str) -> Result<String, String> {
    let digits: String = value.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    let bytes = BASE64.decode(digits).map_err(|_| "a value with the tag !!binary is not base64")?;
    String::from_utf8(bytes).map_err(|_| "a value with the tag !!binary is no text".to_owned())
}

/// Returns what a scalar without quotes is.
pub(super) fn plain(value: &str) -> Yaml {
    let found = match value.bytes().next() {
        None => Some(Yaml::Null),
        Some(b'+' | b'-' | b'0'..=b'9') => word(value).or_else(|| number(value)),
        // Only here may `_` stand between digits alone.
        Some(b'.') => word(value).or_else(|| float(&without_separators(value)?)),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(value),
        Some(_) => None,
    };
    found.unwrap_or_else(|| Yaml::Text(value.to_owned()))
}

fn word(value: &str) -> Option<Yaml> {
    Some(match value {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Yaml::Truth(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Yaml::Truth(false)
        }
        "~" | "null" | "Null" | "NULL" => Yaml::Null,
        ".nan" | ".NaN" | ".NAN" => Yaml::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Yaml::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Yaml::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// What begins with a digit or a sign, if it is a number. Dates are texts.
fn number(value: &str) -> Option<Yaml> {
    let value = value.replace('_', "");
    let (sign, unsigned) = match value.strip_prefix(['+', '-']) {
        Some(unsigned) => (&value[..1], unsigned),
        None => ("", value.as_str()),
    };
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &unsigned[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if let Some(number) = whole(sign, digits, base) {
        return Some(number);
    }
    float(&value).or_else(|| {
        // As Go: a sign may follow `0b`.
        let (sign, rest) = match value.strip_prefix("0b") {
            Some(rest) => ("", rest),
            None => ("-", value.strip_prefix("-0b")?),
        };
        match rest.strip_prefix(['+', '-']) {
            Some(digits) if sign.is_empty() => {
                whole(&rest[..1], digits, 2).filter(|number| !is_large(number))
            }
            Some(_) => None,
            None => whole(sign, rest, 2),
        }
    })
}

/// The number without `_`, unless one does not stand between two digits.
fn without_separators(value: &str) -> Option<String> {
    let mut parts = value.split('_');
    let mut joined = String::from(parts.next()?);
    for part in parts {
        let is_between = joined.ends_with(|end: char| end.is_ascii_digit())
            && part.starts_with(|start: char| start.is_ascii_digit());
        if !is_between {
            return None;
        }
        joined.push_str(part);
    }
    Some(joined)
}

fn is_large(number: &Yaml) -> bool {
    matches!(number, Yaml::Large(_))
}

fn whole(sign: &str, digits: &str, base: u32) -> Option<Yaml> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    match i64::from_str_radix(&format!("{sign}{digits}"), base) {
        Ok(number) => Some(Yaml::Int(number)),
        Err(_) if sign.is_empty() => u64::from_str_radix(digits, base).ok().map(Yaml::Large),
        Err(_) => None,
    }
}

/// A fraction that a float of 64 bits can hold; what is larger is a text, such as the hash `12e4567`.
fn float(value: &str) -> Option<Yaml> {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = are_digits(before) && are_digits(after) && !(before.is_empty() && after.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite()).map(Yaml::Float);
    if is_mantissa && is_exponent { number() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each outcome was read from go-yaml v2.4.4; the differential test tries many more.
    #[test]
    fn plain_scalars_are_what_go_yaml_takes_them_for() {
        let text = |text: &str| Yaml::Text(text.to_owned());
        let cases = [
            ("12e4567", text("12e4567")),
            ("1e308", Yaml::Float(1e308)),
            ("1e309", text("1e309")),
            ("0755", Yaml::Int(493)),
            ("0o17", Yaml::Int(15)),
            ("0x1F", Yaml::Int(31)),
            ("-0x1F", Yaml::Int(-31)),
            ("0b101", Yaml::Int(5)),
            ("0b-101", Yaml::Int(-5)),
            ("-0b-101", text("-0b-101")),
            ("089", Yaml::Float(89.0)),
            ("0x", text("0x")),
            ("1_000", Yaml::Int(1000)),
            ("_1", text("_1")),
            ("1__e3_", Yaml::Float(1000.0)),
            (".5", Yaml::Float(0.5)),
            ("._5", text("._5")),
            (".2_797", Yaml::Float(0.2797)),
            (".2__7", text(".2__7")),
            (".5_", text(".5_")),
            (".5e_3", text(".5e_3")),
            ("5.", Yaml::Float(5.0)),
            (".", text(".")),
            ("+", text("+")),
            ("-.5e-3", Yaml::Float(-0.0005)),
            ("18446744073709551615", Yaml::Large(u64::MAX)),
            ("18446744073709551616", Yaml::Float(18446744073709551616.0)),
            ("-9223372036854775808", Yaml::Int(i64::MIN)),
            ("2001-01-01", text("2001-01-01")),
            ("190:20:30", text("190:20:30")),
            ("y", Yaml::Truth(true)),
            ("nO", text("nO")),
            ("tRue", text("tRue")),
            ("NULL", Yaml::Null),
            ("nUll", text("nUll")),
            ("", Yaml::Null),
            ("inf", text("inf")),
            (".inf", Yaml::Float(f64::INFINITY)),
            (".iNf", text(".iNf")),
            ("<<", text("<<")),
            ("=", text("=")),
        ];
        for (value, expected) in cases {
            assert_eq!(plain(value), expected, "{value}");
        }
    }
}
