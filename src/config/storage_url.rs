//! The setting that names a store: a directory, memory, or a place in an S3 bucket.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::address::endpoint;
use super::pem_file::PemFile;
use super::{Label, Value};

/// What cannot stand in a value of a storage URL as it is.
const ARGUMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'#');

/// Where all state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// A directory path, or `file:PATH`.
    Directory(PathBuf),
    /// `memory:`; everything is gone when the process ends.
    Memory,
    S3(S3Location),
}

/// `s3://bucket/prefix?endpoint=...&region=...&path_style=true&ca_file=...`. Credentials come from the SDK's usual chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: bool,
    /// Certificates that alone are trusted.
    pub ca_file: Option<PemFile>,
}

impl Value for StorageUrl {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("a storage URL is a directory path, memory: or s3://bucket/prefix".to_owned());
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            return s3_location(rest).map(Self::S3);
        }
        if let Some(rest) = text.strip_prefix("memory:") {
            return if rest.is_empty() {
                Ok(Self::Memory)
            } else {
                Err(format!("nothing may follow memory:, but `{}` does", rest.escape_debug()))
            };
        }
        directory(text).map(Self::Directory)
    }

    fn write(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::S3(location) => location.to_string(),
            Self::Directory(path) => path.to_string_lossy().into_owned(),
        }
    }
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let path = match text.strip_prefix("file:") {
        None => text,
        Some(rest) => match rest.strip_prefix("//") {
            None => rest,
            Some(rooted) if rooted.starts_with('/') => rooted,
            Some(_) => return Err(format!("`{text}` names a host; write file:///path or a path")),
        },
    };
    let scheme_like = path.split_once("://").is_some();
    if path.is_empty() || scheme_like {
        return Err(format!(
            "`{}` is no storage this build knows: a directory path, memory: or s3://bucket/prefix",
            text.escape_debug()
        ));
    }
    Ok(Path::new(path).to_path_buf())
}

fn s3_location(rest: &str) -> Result<S3Location, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.contains('@') || bucket.contains(':') {
        return Err("credentials do not belong into a storage URL; they come from AWS_ACCESS_KEY_ID, \
                    a profile or the instance"
            .to_owned());
    }
    if !is_bucket(bucket) {
        return Err(format!(
            "`{}` is not a bucket name: 3 to 63 lower-case letters, digits, `-` or `.`",
            bucket.escape_debug()
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let component = |c: &str| !matches!(c, "" | "." | "..") && c.bytes().all(plain);
    if !prefix.is_empty() && !prefix.split('/').all(component) {
        return Err(format!(
            "`{}` is not a prefix: components of letters, digits, `-`, `_` or `.` between slashes",
            prefix.escape_debug()
        ));
    }
    let mut location = S3Location {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: None,
        region: None,
        path_style: false,
        ca_file: None,
    };
    s3_arguments(query, &mut location)?;
    Ok(location)
}

fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
}

fn s3_arguments(query: &str, location: &mut S3Location) -> Result<(), String> {
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(format!("the storage URL gives `{}` twice", name.escape_debug()));
        }
        seen.push(name);
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| format!("the storage URL's `{name}` is not UTF-8"))?;
        match name {
            "endpoint" => {
                location.endpoint = Some(endpoint(&value).map_err(|why| format!("endpoint: {why}"))?);
            }
            "region" => {
                let region = Label::read(&value).map_err(|why| format!("region: {why}"))?;
                location.region = Some(region.to_string());
            }
            "path_style" => location.path_style = bool::read(&value)?,
            "ca_file" => {
                location.ca_file = Some(PemFile::read(&value).map_err(|why| format!("ca_file: {why}"))?);
            }
            _ => {
                return Err(format!(
                    "the storage URL has an unknown argument `{}`; known are endpoint, region, path_style and ca_file",
                    name.escape_debug()
                ));
            }
        }
    }
    Ok(())
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let arguments = [
            self.endpoint.as_ref().map(|endpoint| format!("endpoint={endpoint}")),
            self.region.as_ref().map(|region| format!("region={region}")),
            self.path_style.then(|| "path_style=true".to_owned()),
            self.ca_file.as_ref().map(|file| {
                let path = file.write();
                format!("ca_file={}", utf8_percent_encode(&path, ARGUMENT))
            }),
        ];
        for (n, argument) in arguments.into_iter().flatten().enumerate() {
            write!(f, "{}{argument}", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
