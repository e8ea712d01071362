//! The characters of a document: its encoding, and what may not stand in it.

use super::Fault;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Decodes UTF-8, or UTF-16 with a byte order mark.
pub(super) fn text(bytes: &[u8]) -> Result<Vec<char>, Fault> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => std::str::from_utf8(bytes).map_err(|_| Fault::new("it is not UTF-8"))?.chars().collect(),
    };
    let text = match text.strip_prefix(&[BYTE_ORDER_MARK]) {
        Some(rest) => rest.to_vec(),
        None => text,
    };
    let mut line = 0;
    for (at, &character) in text.iter().enumerate() {
        if !is_allowed(character) {
            let code = u32::from(character);
            return Err(Fault::at(line, format!("the control character U+{code:04X} is not allowed")));
        }
        // Helm skips characters of the lines behind one, depending on where its buffer began.
        if character == BYTE_ORDER_MARK {
            return Err(Fault::at(line, "a byte order mark stands inside of the text: write it as \\uFEFF"));
        }
        line += usize::from(ends_line(character) && text.get(at + 1) != Some(&'\n'));
    }
    Ok(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<char>, Fault> {
    let fault = || Fault::new("it is not UTF-16, as its byte order mark says");
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(fault());
    }
    let decoded = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    decoded.collect::<Result<_, _>>().map_err(|_| fault())
}

fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
