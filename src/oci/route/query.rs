//! The query of a request, read strictly: what is repeated or badly escaped is refused instead of guessed at.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Refusal, plus};
use crate::oci::error::ErrorCode;

/// How a page of a listing is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many entries at most; already capped. None: as many as a page may have.
    pub n: Option<usize>,
    /// The entry to go on after.
    pub last: Option<String>,
}

/// More parameters than any client sends.
const MAX_PARAMETERS: usize = 200;

/// The parameters of a query, in order.
pub(super) struct Query<'a>(Vec<Parameter<'a>>);

struct Parameter<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
    /// The value as it stands on the wire.
    raw: &'a str,
}

impl<'a> Query<'a> {
    pub(super) fn parse(raw: Option<&'a str>) -> Result<Self, Refusal> {
        let mut parameters: Vec<Parameter<'_>> = Vec::new();
        for part in raw.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (key, raw) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (decode(key)?, decode(raw)?);
            if key != "tag" && parameters.iter().any(|known| known.key == key) {
                return Err(Refusal::bad(
                    ErrorCode::Unsupported,
                    format!("the query parameter `{key}` stands twice: give it once"),
                ));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(Refusal::uri_too_long(format!(
                    "a query has at most {MAX_PARAMETERS} parameters"
                )));
            }
            parameters.push(Parameter { key, value, raw });
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |known| known.key == key).map(|known| &*known.value)
    }

    /// The parameter `key` as a version constraint; `None` for one that is empty.
    pub(super) fn constraint(&self, key: &str) -> Option<String> {
        let parameter = self.0.iter().find(|known| known.key == key).filter(|known| !known.value.is_empty());
        parameter.map(|parameter| plus::constraint(parameter.raw))
    }

    /// The parameter `key` as `parse` reads it; what it cannot read is refused with `code`.
    pub(super) fn parsed<T, E: ToString>(
        &self,
        key: &str,
        code: ErrorCode,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Refusal> {
        let parsed = self.get(key).map(parse).transpose();
        parsed.map_err(|error| Refusal::bad(code, format!("query parameter `{key}`: {}", error.to_string())))
    }

    /// `n` and `last`; an `n` above `cap` counts as `cap`.
    pub(super) fn page(&self, cap: usize) -> Result<Page, Refusal> {
        let n = self.parsed("n", ErrorCode::Unsupported, |digits| {
            let legal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let number = || digits.parse().unwrap_or(usize::MAX).min(cap);
            if legal { Ok(number()) } else { Err("it must be a number of entries, 0 or more") }
        })?;
        Ok(Page { n, last: self.get("last").filter(|last| !last.is_empty()).map(str::to_owned) })
    }
}

/// Undoes percent-encoding once. `+` stays: media types and versions have it and clients send it as it is. Constraints,
/// which have spaces, are read by [`Query::constraint`].
fn decode(text: &str) -> Result<Cow<'_, str>, Refusal> {
    let refuse = |why: &str| Err(Refusal::bad(ErrorCode::Unsupported, format!("the query {why}")));
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if text.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return refuse("has a `%` that is not followed by two hexadecimal digits");
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if decoded.chars().any(char::is_control) => refuse("has control characters"),
        Ok(decoded) => Ok(decoded),
        Err(_) => refuse("is not UTF-8"),
    }
}
