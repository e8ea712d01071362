//! JSON that is YAML as well, 1.1 and 1.2, and harmless on a terminal.
//!
//! Every string is in double quotes, so no value can be taken for a number, a truth, a date or an anchor. JSON and
//! YAML agree on the escapes that are used. Beyond what JSON escapes, so is what YAML forbids or breaks lines at,
//! and what steers a terminal or the direction of text; characters beyond the basic plane stay as they are, because
//! JSON could only escape them as surrogates, which YAML refuses.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes `value` on one line.
///
/// # Errors
/// Those of the value's own `Serialize`.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Harmless))?;
    // The serializer writes text and ASCII escapes.
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaping(writer, fragment, is_escaped)
    }
}

/// Writes a part of a JSON text, with escapes for characters of the basic plane that JSON lets stand and `is_escaped` does
/// not.
pub(super) fn write_escaping<W: ?Sized + io::Write>(
    writer: &mut W,
    fragment: &str,
    is_escaped: impl Fn(char) -> bool,
) -> io::Result<()> {
    let mut written = 0;
    for (at, character) in fragment.char_indices().filter(|(_, character)| is_escaped(*character)) {
        writer.write_all(&fragment.as_bytes()[written..at])?;
        write!(writer, "\\u{:04x}", u32::from(character))?;
        written = at + character.len_utf8();
    }
    writer.write_all(&fragment.as_bytes()[written..])
}

/// What JSON lets stand and we do not: DEL and C1, line breaks of YAML 1.1, format characters (Unicode category Cf)
/// of the basic plane with the byte order mark, and the two that are no characters.
fn is_escaped(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_harmless_stays_and_the_rest_is_escaped() {
        let cases = [
            ("plain: text, #no comment & *no anchor", r#""plain: text, #no comment & *no anchor""#),
            ("1.10", r#""1.10""#),
            ("no", r#""no""#),
            ("tab\tnewline\nreturn\r", r#""tab\tnewline\nreturn\r""#),
            ("\0\u{1b}[31m\u{7f}\u{85}\u{9b}", r#""\u0000\u001b[31m\u007f\u0085\u009b""#),
            ("\u{202e}\u{2028}\u{feff}\u{ffff}", r#""\u202e\u2028\ufeff\uffff""#),
            ("Grüße, 世界 \u{1f44b}\u{1f3fd}", "\"Grüße, 世界 \u{1f44b}\u{1f3fd}\""),
            ("\u{e0001}", "\"\u{e0001}\""),
            (r#""quoted" \ back"#, r#""\"quoted\" \\ back""#),
        ];
        for (text, expected) in cases {
            assert_eq!(to_string(text).unwrap(), expected, "{text:?}");
        }
    }

    /// Any text, with more of the odd characters than chance would bring.
    fn odd_text() -> impl Strategy<Value = String> {
        let odd = prop_oneof![
            any::<char>(),
            Just('\0'),
            Just('\u{85}'),
            Just('\u{2028}'),
            Just('\u{feff}'),
            Just('\u{fffe}'),
            Just('\u{10ffff}'),
            (0u8..0xa0).prop_map(char::from)
        ];
        proptest::collection::vec(odd, 0..40).prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn json_and_yaml_read_the_same_text(text in odd_text(), key in odd_text()) {
            let map = std::collections::BTreeMap::from([(key, text)]);
            let written = to_string(&map).unwrap();
            prop_assert_eq!(&serde_json::from_str::<std::collections::BTreeMap<String, String>>(&written).unwrap(), &map);
            prop_assert_eq!(&serde_saphyr::from_str::<std::collections::BTreeMap<String, String>>(&written).unwrap(), &map);
            prop_assert!(!written.chars().any(|character| character.is_control()));
        }
    }
}
