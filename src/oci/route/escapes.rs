//! Percent-encoding in paths (RFC 3986 section 2.1), undone once and only where nothing can be misread by it.

use std::borrow::Cow;

use super::Refusal;
use crate::oci::error::ErrorCode;

/// Characters beyond the unreserved ones that versions and constraints are written with.
pub(super) const OF_CONSTRAINTS: &[u8] = b"+^<>=!|*, ";
/// A version has them, and a file that is named by one.
pub(super) const OF_VERSIONS: &[u8] = b"+";
/// `:` of a digest.
pub(super) const OF_DIGESTS: &[u8] = b":";

/// Reads a raw path: undoes the escapes of unreserved characters and of those in `also`, once.
///
/// # Errors
/// What could be read in two ways is refused: escapes of other characters (`%2F`, `%00`, `%25`), the components `.` and
/// `..` whether they are escaped or not, backslashes, and characters that a path cannot have.
pub(super) fn read<'a>(raw: &'a str, also: &[u8]) -> Result<Cow<'a, str>, Refusal> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#');
    let path = match raw.bytes().all(is_plain) {
        true => Cow::Borrowed(raw),
        false => Cow::Owned(decoded(raw, is_plain, also).ok_or_else(unreadable)?),
    };
    if path.split('/').any(|component| matches!(component, "." | "..")) {
        return Err(Refusal::bad(ErrorCode::NameInvalid, "a path has no components `.` and `..`"));
    }
    Ok(path)
}

/// `None` for an escape that is not undone, and for a character that a path cannot have.
fn decoded(raw: &str, is_plain: impl Fn(u8) -> bool, also: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let byte = digit(bytes.next()?)? << 4 | digit(bytes.next()?)?;
                Some(byte).filter(|byte| is_unreserved(*byte) || also.contains(byte))?
            }
            plain => Some(plain).filter(|byte| is_plain(*byte))?,
        };
        text.push(char::from(byte));
    }
    Some(text)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 3986 section 2.3: an escape of one of these means the character itself.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn unreadable() -> Refusal {
    let message = "a path has no backslashes, spaces or characters beyond ASCII, and escapes only of what a name, \
                   version, tag or digest may hold: write each `/` as it is, and escape nothing twice";
    Refusal::bad(ErrorCode::NameInvalid, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escape_is_undone_once_where_nothing_can_be_misread() {
        let cases = [
            ("/team/app", Some("/team/app")),
            ("/te%61m/%61pp", Some("/team/app")),
            ("/%54%2d%2e%5F%7e", Some("/T-._~")),
            ("/sha256%3Aab", Some("/sha256:ab")),
            ("/sha256%3aab", Some("/sha256:ab")),
            ("/a:b", Some("/a:b")),
            ("/1%2e2%2E3", Some("/1.2.3")),
            ("/a%2e%2eb", Some("/a..b")),
            ("/%2e", None),
            ("/%2e%2e/a", None),
            ("/.%2e/a", None),
            ("/./a", None),
            ("/a%2fb", None),
            ("/a%2Fb", None),
            ("/a%5cb", None),
            ("/a%00", None),
            ("/a%0a", None),
            ("/a%20b", None),
            ("/a%7f", None),
            ("/a%2561", None),
            ("/a%25", None),
            ("/a%3Fb", None),
            ("/a%23b", None),
            ("/a%2Bb", None),
            ("/a%c3%a9", None),
            ("/a%", None),
            ("/a%4", None),
            ("/a%zz", None),
            ("/a%+1", None),
            ("/a b", None),
            ("/é", None),
        ];
        for (raw, expected) in cases {
            assert_eq!(read(raw, OF_DIGESTS).ok().as_deref(), expected, "{raw}");
        }
        assert_eq!(read("/%5E1.2", OF_CONSTRAINTS).as_deref(), Ok("/^1.2"));
        assert_eq!(
            read("/%3E%3D1.0%20%3C2%7C%7C%2A,%7E1%2Bb", OF_CONSTRAINTS).as_deref(),
            Ok("/>=1.0 <2||*,~1+b")
        );
    }

    proptest! {
        #[test]
        fn what_is_read_has_the_components_of_the_raw_path(raw in "(/|[a-z.]|%[0-9a-fA-F]{2}|%|[ -~é]){0,12}") {
            if let Ok(path) = read(&raw, OF_CONSTRAINTS) {
                prop_assert_eq!(path.split('/').count(), raw.split('/').count());
                prop_assert!(path.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
                prop_assert!(!path.contains(['%', '\\', '?', '#']));
            }
        }
    }
}
