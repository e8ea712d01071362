//! Text that people and their tools write: in UTF-8, with or without a byte order mark, or in UTF-16 with one.

/// Decodes text and drops its byte order mark; `None` when it is neither UTF-8 nor marked UTF-16.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let units = |bytes: &[u8], order: fn([u8; 2]) -> u16| {
        let pairs = bytes.chunks_exact(2);
        let whole = pairs.remainder().is_empty();
        let units: Vec<u16> = pairs.filter_map(|pair| Some(order(pair.try_into().ok()?))).collect();
        String::from_utf16(&units).ok().filter(|_| whole)
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        bytes => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_understood() {
        let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}p\u{e9}\u{1f600}".encode_utf16().flat_map(order).collect()
        };
        for bytes in [
            "p\u{e9}\u{1f600}".as_bytes().to_vec(),
            "\u{feff}p\u{e9}\u{1f600}".as_bytes().to_vec(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Some("p\u{e9}\u{1f600}"));
        }
        for bytes in [&b"\xff"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8", b"\xef\xbb\xbf\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
