//! Who asked for a change: what each operation of the journal says of its author
//! (docs/internals/storage-format.md#operations).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who asks for a change, and in which call. It goes into the journal: the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    pub by: PrincipalName,
    pub via: Via,
    /// The server's own id of the request.
    pub request: Box<str>,
    /// The id that the client gave the request: no evidence, it may repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request: Option<Box<str>>,
    /// The same for all operations of one call, so that they can be undone together.
    pub call: Uuid,
}

/// A principal, as `<kind>:<name>` or `anonymous`. One pointer, because every tag has one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalName(Arc<Box<str>>);

/// How the principal was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    Anonymous,
    Password,
    Token,
    Oidc,
    Certificate,
    Session,
    System,
}

/// The longest name of a principal in the journal, in bytes.
const MAX_PRINCIPAL: usize = 256;

impl Actor {
    /// A part of the server that acts by itself, like `verification`.
    pub fn system(part: &str, request: &str, call: Uuid) -> Self {
        let by = PrincipalName::new(&format!("system:{part}"));
        Self { by, via: Via::System, request: request.into(), client_request: None, call }
    }
}

impl PrincipalName {
    /// Printable ASCII stays as it is, other bytes are percent-encoded; a longer name is cut to 256 bytes.
    pub fn new(name: &str) -> Self {
        let mut text = String::with_capacity(name.len());
        for byte in name.bytes() {
            let is_plain = byte.is_ascii_graphic() && byte != b'%';
            if text.len() + if is_plain { 1 } else { 3 } > MAX_PRINCIPAL {
                break;
            }
            match is_plain {
                true => text.push(char::from(byte)),
                false => text.push_str(&format!("%{byte:02X}")),
            }
        }
        Self::verbatim(&text)
    }

    /// A name as the journal has it.
    pub(super) fn verbatim(name: &str) -> Self {
        Self(Arc::new(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PrincipalName {
    fn default() -> Self {
        Self::verbatim("")
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_name_is_printable_ascii_of_at_most_256_bytes() {
        let long = "é".repeat(100);
        let cut = format!("{}%C3", "%C3%A9".repeat(42));
        let cases = [
            ("anonymous", "anonymous"),
            ("user:ada", "user:ada"),
            ("user:a b%", "user:a%20b%25"),
            ("user:ada\n", "user:ada%0A"),
            (long.as_str(), cut.as_str()),
        ];
        for (name, expected) in cases {
            assert_eq!(PrincipalName::new(name).as_str(), expected);
        }
    }
}
