//! Provenance files (`<package>.prov`): a text that OpenPGP signs in the clear, of the metadata of a chart
//! and the digest of its package (docs/internals/helm.md#chart-validity). What the text says is checked
//! always; who signed it, with a keyring.

// A build without OpenPGP has the same types, but no keyring can be read.
#[cfg_attr(not(feature = "openpgp"), path = "provenance/no_keyring.rs")]
mod keyring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

pub use keyring::{InvalidKeyring, Keyring, Untrusted};

use super::chart_yaml;
use super::metadata::{InvalidMetadata, Metadata, shortened};
use crate::oci::{Algorithm, Digest};

/// A provenance file of more bytes is not read: it has the metadata of one chart and a signature.
pub const MAX_PROVENANCE: usize = 512 * 1024;

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// What a provenance file says. Until a signature is verified, anybody may have said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub metadata: Metadata,
    /// SHA-256 by file name.
    pub files: BTreeMap<String, Digest>,
    /// What the signature is over: lines end as in the file, spaces at their ends are left out.
    signed_text: String,
    /// The signature with its armor.
    signature: String,
}

/// Whose key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Of the primary key, in upper case hexadecimal digits.
    pub fingerprint: String,
    /// Those that the key itself vouches for, such as `Name <address>`.
    pub user_ids: Vec<String>,
}

/// Why a provenance file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProvenance {
    #[error("the provenance file has more than {MAX_PROVENANCE} bytes")]
    TooLong,
    #[error("the provenance file is not UTF-8")]
    NotUtf8,
    #[error("the provenance file has a carriage return that ends no line")]
    CarriageReturn,
    #[error("the provenance file does not begin with `{BEGIN_MESSAGE}`: sign the text in the clear")]
    NotSigned,
    #[error("the provenance file has the header {0:?}: only `Hash` may stand before its text")]
    Header(String),
    #[error("the provenance file has no signature behind its text")]
    NoSignature,
    #[error("the line {0:?} of the signed text begins with a dash that is not escaped")]
    Dash(String),
    #[error("the provenance file goes on behind its signature: only one may be there")]
    TrailingText,
    #[error("the signed text has {0} parts: it is Chart.yaml, a line `...` and the digests of the files")]
    Parts(usize),
    #[error("the Chart.yaml in the provenance file is refused: {0}")]
    ChartYaml(InvalidMetadata),
    #[error("the digests in the provenance file are refused: {0}")]
    Files(String),
    #[error("the provenance file is of {signed:?}, not of {expected:?}")]
    OtherChart { signed: String, expected: String },
    #[error("the provenance file does not list {0:?}")]
    NotListed(String),
    #[error("the provenance file lists {file:?} with {listed}, but the package has {found}")]
    OtherDigest { file: String, listed: Digest, found: Digest },
}

impl Provenance {
    /// Reads a provenance file, with nothing before or behind it: what is not signed could be taken for what is.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidProvenance> {
        if bytes.len() > MAX_PROVENANCE {
            return Err(InvalidProvenance::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidProvenance::NotUtf8)?;
        // Readers differ in whether it ends a line.
        if text.replace("\r\n", "\n").contains('\r') {
            return Err(InvalidProvenance::CarriageReturn);
        }
        let (signed_text, signature) = split(text)?;
        let body = signed_text.replace("\r\n", "\n");
        let parts: Vec<&str> = body.split("\n...\n").collect();
        let [chart_yaml, files] = parts.as_slice() else {
            return Err(InvalidProvenance::Parts(parts.len()));
        };
        Ok(Self {
            metadata: Metadata::from_yaml(chart_yaml.as_bytes(), None)
                .map_err(InvalidProvenance::ChartYaml)?,
            files: digests(files)?,
            signed_text,
            signature: signature.to_owned(),
        })
    }

    /// Checks that it is of this version of this chart, and lists its package `<name>-<version>.tgz` with this digest.
    ///
    /// # Errors
    /// What it says instead.
    pub fn check(&self, name: &str, version: &str, package: &Digest) -> Result<(), InvalidProvenance> {
        let Metadata { name: signed_name, version: signed_version, .. } = &self.metadata;
        let expected = format!("{name}-{version}");
        if (signed_name.as_str(), signed_version.as_str()) != (name, version) {
            let signed = shortened(format!("{signed_name}-{signed_version}"));
            return Err(InvalidProvenance::OtherChart { signed, expected });
        }
        let file = format!("{expected}.tgz");
        match self.files.get(&file) {
            None => Err(InvalidProvenance::NotListed(file)),
            Some(listed) if listed != package => {
                Err(InvalidProvenance::OtherDigest { file, listed: listed.clone(), found: package.clone() })
            }
            Some(_) => Ok(()),
        }
    }
}

/// The signed text and the signature with its armor.
fn split(text: &str) -> Result<(String, &str), InvalidProvenance> {
    let mut lines = text.split_inclusive('\n');
    if lines.next().map(str::trim_end) != Some(BEGIN_MESSAGE) {
        return Err(InvalidProvenance::NotSigned);
    }
    let mut at = text.find('\n').map_or(text.len(), |end| end + 1);
    for line in lines.by_ref() {
        at += line.len();
        match line.trim_end() {
            "" => break,
            header if header.starts_with("Hash: ") => {}
            header => return Err(InvalidProvenance::Header(shortened(header.to_owned()))),
        }
    }
    let mut body = String::new();
    for line in lines {
        if line.trim_end() == BEGIN_SIGNATURE {
            // The end of the line before it belongs to the armor.
            body.truncate(body.strip_suffix("\r\n").or(body.strip_suffix('\n')).unwrap_or(&body).len());
            return Ok((body, signature(&text[at..])?));
        }
        at += line.len();
        body.push_str(&unescaped(line)?);
    }
    Err(InvalidProvenance::NoSignature)
}

/// A line as it was signed.
fn unescaped(line: &str) -> Result<String, InvalidProvenance> {
    let content = line.trim_end_matches(['\r', '\n']);
    let end = &line[content.len()..];
    let content = match content.strip_prefix("- ") {
        Some(content) => content,
        None if content.starts_with('-') => {
            return Err(InvalidProvenance::Dash(shortened(content.to_owned())));
        }
        None => content,
    };
    Ok(format!("{}{end}", content.trim_end_matches([' ', '\t'])))
}

/// The armor at the beginning of `text`, if nothing follows it.
fn signature(text: &str) -> Result<&str, InvalidProvenance> {
    let end = text.find(END_SIGNATURE).ok_or(InvalidProvenance::NoSignature)? + END_SIGNATURE.len();
    let (signature, rest) = text.split_at(end);
    if rest.trim().is_empty() { Ok(signature) } else { Err(InvalidProvenance::TrailingText) }
}

fn digests(yaml: &str) -> Result<BTreeMap<String, Digest>, InvalidProvenance> {
    let refused = |rule: &str| InvalidProvenance::Files(rule.to_owned());
    let document = chart_yaml::parse(yaml.as_bytes());
    let document = document.map_err(|error| InvalidProvenance::Files(error.to_string()))?;
    let Some(Value::Object(files)) = document.get("files") else {
        return Err(refused("there is no mapping `files` of file names to digests"));
    };
    let mut digests = BTreeMap::new();
    for (name, digest) in files {
        let digest = digest.as_str().and_then(|text| Digest::parse(text).ok());
        let digest = digest.filter(|digest| digest.algorithm() == Algorithm::Sha256);
        let rule = || {
            refused(&format!(
                "the digest of {:?} is not `sha256:` and 64 hexadecimal digits",
                shortened(name.clone())
            ))
        };
        digests.insert(name.clone(), digest.ok_or_else(rule)?);
    }
    if digests.is_empty() { Err(refused("no file is listed")) } else { Ok(digests) }
}
