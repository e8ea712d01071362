//! A strict look at a JSON document before it is read: whatever two readers could understand differently is refused.
//!
//! `serde_json` does the parsing; this module only watches what it finds. The work is linear in the document and the
//! memory is that of one key, and of 64 bits for each key of the objects that are open.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json_fault::json_fault;

/// Objects and arrays may be nested this deep.
pub const MAX_DEPTH: usize = 32;

/// A small document of many short keys would take many times its size in memory. An index of 10,000 manifests with a
/// platform and four annotations each has about half as many.
const MAX_KEYS: usize = 200_000;

/// One object may have this many keys: annotations have dozens. 32 such objects inside each other stay below a mebibyte.
const MAX_OBJECT_KEYS: usize = 1_000;

/// No number of a manifest needs more characters than this.
const MAX_NUMBER: usize = 64;

/// The rule that a JSON document broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the JSON is refused: {0}")]
pub struct InvalidJson(String);

/// Refuses what is not one JSON document (RFC 8259) in UTF-8 without a byte order mark, and what is ambiguous: keys that
/// occur twice or differ only by case, at any depth; numbers that a reader would round to infinity or cut; nesting
/// deeper than [`MAX_DEPTH`]; more than 200,000 keys, or 1,000 in one object.
///
/// Some readers take a key for a field whatever its case. So a key that equals one of `fields` (ASCII) but for its case is
/// refused too, except inside of `annotations`, where keys are free.
pub fn check(bytes: &[u8], fields: &[&str]) -> Result<(), InvalidJson> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(InvalidJson("it begins with a byte order mark".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidJson("it is not UTF-8".to_owned()))?;
    let mut parser = serde_json::Deserializer::from_str(text);
    Value { depth: 0, fields, keys_left: &Cell::new(MAX_KEYS) }
        .deserialize(&mut parser)
        .and_then(|()| parser.end())
        .map_err(|error| InvalidJson(json_fault(&error)))?;
    match longest_number(bytes) {
        0..=MAX_NUMBER => Ok(()),
        _ => Err(InvalidJson(format!("a number has more than {MAX_NUMBER} characters"))),
    }
}

/// A struct that is written as an object. What serde derives also takes an array of its fields in their order, which no
/// other reader does.
pub struct Object<T>(pub T);

impl<T> Object<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One value of the document. `fields` is empty inside of annotations.
#[derive(Clone, Copy)]
struct Value<'a> {
    depth: usize,
    fields: &'a [&'a str],
    keys_left: &'a Cell<usize>,
}

impl Value<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn check_key<E: Error>(self, key: &str, seen: &mut Seen) -> Result<(), E> {
        match self.keys_left.get() {
            0 => return Err(E::custom(format_args!("it has more than {MAX_KEYS} keys"))),
            left => self.keys_left.set(left - 1),
        }
        if self.fields.iter().any(|field| *field != key && fold(key).eq(fold(field))) {
            return Err(E::custom(format_args!("key {} differs from a field only by case", Shown(key))));
        }
        if !seen.insert(key) {
            let shown = Shown(key);
            return Err(E::custom(format_args!("key {shown} occurs twice, or twice but for its case")));
        }
        if seen.keys.len() > MAX_OBJECT_KEYS {
            return Err(E::custom(format_args!("an object has more than {MAX_OBJECT_KEYS} keys")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = Seen::default();
        while let Some(Key(key)) = map.next_key()? {
            self.check_key(&key, &mut seen)?;
            let fields = if key == "annotations" { &[] } else { inner.fields };
            map.next_value_seed(Value { fields, ..inner })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        // An integer that does not fit 64 bits comes here too.
        let exact_in_every_reader = number.abs() < u64::MAX as f64;
        if exact_in_every_reader { Ok(()) } else { Err(E::custom("a number is too large")) }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed from the document unless it has escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys of one object by their hashes under a secret: keys that differ collide in one of 10^13 full objects.
#[derive(Default)]
struct Seen {
    secret: RandomState,
    keys: HashSet<u64>,
}

impl Seen {
    /// Whether the key is new, in any case.
    fn insert(&mut self, key: &str) -> bool {
        let mut hasher = self.secret.build_hasher();
        fold(key).for_each(|character| character.hash(&mut hasher));
        self.keys.insert(hasher.finish())
    }
}

/// One form for all spellings of a key that differ by case. Through upper case, because some readers also fold `ſ` to
/// `s` and the Kelvin sign to `k`.
fn fold(key: &str) -> impl Iterator<Item = char> {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// A key as a message shows it: quoted, escaped and short.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(40) {
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// How many values a document has at the most: fields, elements of arrays and arrays. A reader keeps some hundred bytes
/// for each, however short it is written. The document is known to be JSON.
pub fn values(json: &[u8]) -> usize {
    let mut values = 1;
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest),
            b',' | b'{' | b'[' => values += 1,
            _ => {}
        }
    }
    values
}

/// The most characters in a row, outside of strings, that can belong to a number. The document is known to be JSON.
fn longest_number(json: &[u8]) -> usize {
    let (mut longest, mut run) = (0, 0);
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest),
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E' => {
                run += 1;
                longest = longest.max(run);
                continue;
            }
            _ => {}
        }
        run = 0;
    }
    longest
}

/// Moves behind the quote that ends a string.
fn skip_string(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return,
            // The next byte is escaped: it does not end the string.
            b'\\' => {
                rest.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(json: &str) -> String {
        check(json.as_bytes(), &["config", "size"]).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn ambiguous_documents_are_refused_with_the_rule() {
        let keys = |n: usize| (0..n).map(|k| format!("\"k{k}\":{k}")).collect::<Vec<_>>().join(",");
        let object = |n: usize| format!("{{{}}}", keys(n));
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        let cases = [
            (r#"{"a":1,"a":2}"#.to_owned(), "occurs twice"),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), "occurs twice"),
            (r#"[{"x":{"a":1,"A":2}}]"#.to_owned(), "occurs twice"),
            ("{\"s\":1,\"\u{17f}\":2}".to_owned(), "occurs twice"),
            ("{\"k\":1,\"\u{212a}\":2}".to_owned(), "occurs twice"),
            (r#"{"Config":1}"#.to_owned(), "differs from a field"),
            (r#"{"a":[{"SIZE":1}]}"#.to_owned(), "differs from a field"),
            (r#"{"annotations":{"a":"1","A":"2"}}"#.to_owned(), "occurs twice"),
            (
                format!("[{}{{\"k\":0}}]", format!("{},", object(1_000)).repeat(MAX_KEYS / 1_000)),
                "more than 200000 keys",
            ),
            (object(1_001), "more than 1000 keys"),
            ("{} {}".to_owned(), "follows its end"),
            ("{}x".to_owned(), "follows its end"),
            ("\u{feff}{}".to_owned(), "byte order mark"),
            (deep(33), "nested deeper"),
            (deep(100_000), "nested deeper"),
            (r#"{"a":"#.repeat(33), "nested deeper"),
            ("1e400".to_owned(), "out of range"),
            ("1e20".to_owned(), "too large"),
            ("-18446744073709551616".to_owned(), "too large"),
            (format!("0.{}", "1".repeat(63)), "more than 64"),
            ("NaN".to_owned(), "is expected"),
            ("Infinity".to_owned(), "expected"),
            ("01".to_owned(), "invalid number"),
            ("[1,]".to_owned(), "trailing comma"),
            (r#"{"a":1,}"#.to_owned(), "trailing comma"),
            ("{'a':1}".to_owned(), "not in double quotes"),
            ("\"\\ud800\"".to_owned(), "escape"),
            ("\"a\nb\"".to_owned(), "control character"),
            ("// x\n{}".to_owned(), "expected"),
            (String::new(), "it ends before"),
        ];
        for (json, rule) in cases {
            let message = refusal(&json);
            assert!(message.contains(rule), "{:.40}: {message:?}", json);
            assert!(message.len() < 300);
        }
        assert!(check(b"\"\xff\"", &[]).is_err());
    }

    #[test]
    fn plain_documents_pass() {
        let cases = [
            r#" {"a":[1,-2,3.5,18446744073709551615,true,null,"x"],"b":{"a":{}}} "#.to_owned(),
            r#"{"annotations":{"Config":"free","Size":"free"},"config":{"size":1}}"#.to_owned(),
            "[".repeat(32) + &"]".repeat(32),
            format!(r#""{}\"{}""#, "1".repeat(70), "2".repeat(70)),
            format!(r#"["\\",{},"{}"]"#, "1".repeat(19), "1".repeat(70)),
        ];
        for json in cases {
            assert_eq!(refusal(&json), "", "{json:.60}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_is_json_for_everybody(json in "[\\[\\]{}:,\"a1e.\\\\ -]{0,24}|\\PC{0,12}") {
            if check(json.as_bytes(), &["size"]).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            }
        }

        #[test]
        fn bytes_never_panic(bytes: Vec<u8>) {
            let _ = check(&bytes, &["size"]);
        }

        #[test]
        fn the_longest_number_is_measured_outside_of_strings(digits in 1usize..100, text in "[0-9\\\\\"]{0,80}") {
            let json = format!("[{},{}]", serde_json::to_string(&text).unwrap(), "1".repeat(digits));
            prop_assert_eq!(longest_number(json.as_bytes()), digits);
        }
    }
}
