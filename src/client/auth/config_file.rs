//! A config.json of Docker's form, which Helm and Docker share. Fields that mean nothing here are kept.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::credentials::{Credentials, Password};
use crate::client::error::ClientError;
use crate::client::files;
use crate::client::reference::Host;
use crate::client::text;

const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Reads what Go's decoder reads: the bits after the last byte may have any value.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

pub struct ConfigFile(Map<String, Value>);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl ConfigFile {
    /// Reads the file at `path`; one that is absent or blank has no entries. A byte order mark is skipped, and text in
    /// UTF-16, which PowerShell writes, is read.
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        let Some(bytes) = files::read(path, MAX_FILE)? else { return Ok(Self(Map::new())) };
        // The parser's own message could quote a secret.
        let wrong = || {
            ClientError::Credentials(format!("{} is not a JSON object; mend or remove it", path.display()))
        };
        let text = text::decode(&bytes).ok_or_else(wrong)?;
        // As Go reads it: what follows the first value does not count.
        match serde_json::Deserializer::from_str(&text).into_iter::<Value>().next() {
            None | Some(Ok(Value::Null)) => Ok(Self(Map::new())),
            Some(Ok(Value::Object(fields))) => Ok(Self(fields)),
            Some(_) => Err(wrong()),
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), ClientError> {
        let mut text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        text.push('\n');
        files::replace_secret(path, text.as_bytes())
    }

    /// Changes the entries; whatever else stands in their place is replaced.
    pub fn change_auths<T>(&mut self, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
        let mut auths = match self.0.remove("auths") {
            Some(Value::Object(auths)) => auths,
            _ => Map::new(),
        };
        let changed = change(&mut auths);
        self.0.insert("auths".to_owned(), Value::Object(auths));
        changed
    }

    /// Returns the entry of `host`.
    ///
    /// # Errors
    /// What is malformed, without quoting it.
    pub fn entry(&self, host: &Host) -> Result<Option<Credentials>, String> {
        let auths = match self.0.get("auths") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(auths)) => auths,
            Some(_) => return Err("`auths` is not an object; mend or remove it".to_owned()),
        };
        let exact = auths.get_key_value(host.as_str());
        let others = || auths.iter().find(|(key, _)| Self::is_key_of(key, host));
        let Some((key, entry)) = exact.or_else(others) else { return Ok(None) };
        let wrong = || format!("the entry `{key}` of `auths` is malformed; log in to {host} again");
        match entry {
            Value::Null => Ok(None),
            Value::Object(_) => Entry::deserialize(entry).ok().and_then(Entry::read).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// Returns the helper for this host, else the one for all hosts.
    pub fn helper(&self, host: &Host) -> Option<String> {
        let helpers = self.0.get("credHelpers").and_then(Value::as_object);
        let own = helpers.into_iter().flatten().find(|(key, _)| Self::is_key_of(key, host));
        let named = [own.map(|(_, helper)| helper), self.0.get("credsStore")];
        let mut names = named.into_iter().flatten().filter_map(Value::as_str);
        names.find(|name| !name.is_empty()).map(str::to_owned)
    }

    /// Whether an entry is for `host`: keys are `host:port`; older tools wrote URLs.
    pub fn is_key_of(key: &str, host: &Host) -> bool {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let bare = bare.split('/').next().unwrap_or(bare).to_ascii_lowercase();
        let is_docker = |name: &str| ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&name);
        bare == host.as_str() || (is_docker(&bare) && is_docker(host.as_str()))
    }
}

impl Entry {
    /// `None` when it is malformed; an entry without anything is one without credentials.
    fn read(self) -> Option<Option<Credentials>> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (username, password) = match given(self.auth) {
            None => (given(self.username), given(self.password)),
            Some(auth) => {
                let auth = auth.replace(['\r', '\n', ' '], "");
                let decoded = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
                let (username, password) = decoded.split_once(':')?;
                (given(Some(username.to_owned())), given(Some(password.trim_end_matches('\0').to_owned())))
            }
        };
        let password = username.zip(password).map(|(username, password)| Password { username, password });
        let found =
            Credentials { password, refresh: given(self.identitytoken), bearer: given(self.registrytoken) };
        Some((found != Credentials::default()).then_some(found))
    }
}
