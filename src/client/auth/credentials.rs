//! Credentials in the files that Helm and Docker share, and in the helpers that those files name.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::error::ClientError;
use crate::client::files;
use crate::client::reference::Host;

const MAX_FILE: u64 = 4 * 1024 * 1024;
const MAX_HELPER_REPLY: usize = 64 * 1024;

#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    Password {
        username: String,
        password: String,
    },
    /// Docker's `identitytoken`: exchanged for a token at the realm.
    Refresh(String),
    /// Docker's `registrytoken`: sent as it is.
    Bearer(String),
}

/// Where credentials are kept; both files may be absent.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// Helm's: read first, and the only one that is written.
    pub helm: PathBuf,
    pub docker: Option<PathBuf>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// The value of an `Authorization` header, for a user name and password.
    pub fn basic(&self) -> Option<HeaderValue> {
        let Self::Password { username, password } = self else { return None };
        sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    }

    pub fn bearer(&self) -> Option<HeaderValue> {
        let Self::Bearer(token) = self else { return None };
        sensitive(&format!("Bearer {token}"))
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Stores {
    /// What is stored for `host`, in Helm's file, else in Docker's.
    pub fn find(&self, host: &Host) -> Result<Option<Credentials>, ClientError> {
        for path in std::iter::once(&self.helm).chain(&self.docker) {
            if let Some(found) = ConfigFile::read(path)?.find(host)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps user name and password in Helm's file, or in the helper that it names.
    pub fn store(&self, host: &Host, username: &str, password: &str) -> Result<(), ClientError> {
        let mut file = ConfigFile::read(&self.helm)?;
        if let Some(helper) = file.helper(host) {
            let given = json!({"ServerURL": host.as_str(), "Username": username, "Secret": password});
            return run_helper(&helper, "store", &given.to_string()).map(drop);
        }
        let auth = STANDARD.encode(format!("{username}:{password}"));
        file.change_auths(|auths| auths.insert(host.as_str().to_owned(), json!({"auth": auth})));
        file.write(&self.helm)
    }

    /// Forgets what is kept for `host` in Helm's file; says whether there was anything.
    pub fn erase(&self, host: &Host) -> Result<bool, ClientError> {
        let mut file = ConfigFile::read(&self.helm)?;
        if let Some(helper) = file.helper(host) {
            return run_helper(&helper, "erase", host.as_str()).map(|_| true);
        }
        let found = file.change_auths(|auths| {
            let before = auths.len();
            auths.retain(|key, _| !is_key_of(key, host));
            auths.len() < before
        });
        if found {
            file.write(&self.helm)?;
        }
        Ok(found)
    }
}

/// A config.json of Docker's form. Fields that mean nothing here are kept.
struct ConfigFile(Map<String, Value>);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, ClientError> {
        let Some(bytes) = files::read(path, MAX_FILE)? else { return Ok(Self(Map::new())) };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        // The parser's own message could quote a secret.
        let wrong = || {
            ClientError::Credentials(format!("{} is not a JSON object; mend or remove it", path.display()))
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|_| wrong())
    }

    fn write(&self, path: &Path) -> Result<(), ClientError> {
        let mut text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        text.push('\n');
        files::replace_secret(path, text.as_bytes())
    }

    /// Changes the entries; whatever else stands in their place is replaced.
    fn change_auths<T>(&mut self, change: impl FnOnce(&mut Map<String, Value>) -> T) -> T {
        let mut auths = match self.0.remove("auths") {
            Some(Value::Object(auths)) => auths,
            _ => Map::new(),
        };
        let changed = change(&mut auths);
        self.0.insert("auths".to_owned(), Value::Object(auths));
        changed
    }

    fn find(&self, host: &Host) -> Result<Option<Credentials>, ClientError> {
        if let Some(helper) = self.helper(host)
            && let Some(found) = from_helper(&helper, host)?
        {
            return Ok(Some(found));
        }
        let auths = self.0.get("auths").and_then(Value::as_object);
        let mut entries = auths.into_iter().flatten().filter(|(key, _)| is_key_of(key, host));
        Ok(entries.find_map(|(_, entry)| Entry::deserialize(entry).ok()?.read()))
    }

    /// The helper for this host, else the one for all hosts.
    fn helper(&self, host: &Host) -> Option<String> {
        let helpers = self.0.get("credHelpers").and_then(Value::as_object);
        let own =
            helpers.into_iter().flatten().find(|(key, _)| is_key_of(key, host)).map(|(_, helper)| helper);
        let helper = own.or_else(|| self.0.get("credsStore"))?.as_str()?;
        (!helper.is_empty()).then(|| helper.to_owned())
    }
}

impl Entry {
    fn read(self) -> Option<Credentials> {
        if !self.identitytoken.is_empty() {
            return Some(Credentials::Refresh(self.identitytoken));
        }
        if !self.registrytoken.is_empty() {
            return Some(Credentials::Bearer(self.registrytoken));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let decoded = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
            let (username, password) = decoded.split_once(':')?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        let given = !username.is_empty() && !password.is_empty();
        given.then_some(Credentials::Password { username, password })
    }
}

/// Keys are `host:port`; older tools wrote URLs.
fn is_key_of(key: &str, host: &Host) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.split('/').next().unwrap_or(bare).to_ascii_lowercase();
    let is_docker = |name: &str| ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&name);
    bare == host.as_str() || (is_docker(&bare) && is_docker(host.as_str()))
}

fn from_helper(helper: &str, host: &Host) -> Result<Option<Credentials>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reply {
        username: String,
        secret: String,
    }
    let server = match host.on_the_wire() {
        "registry-1.docker.io" => "https://index.docker.io/v1/",
        _ => host.as_str(),
    };
    let Some(reply) = run_helper(helper, "get", server)? else { return Ok(None) };
    let wrong =
        |_| ClientError::Credentials(format!("docker-credential-{helper} get did not answer as helpers do"));
    let Reply { username, secret } = serde_json::from_slice(&reply).map_err(wrong)?;
    Ok(Some(match username.as_str() {
        "<token>" => Credentials::Refresh(secret),
        _ => Credentials::Password { username, password: secret },
    }))
}

/// Runs `docker-credential-HELPER VERB`; `None` when it knows nothing of the host.
fn run_helper(helper: &str, verb: &str, input: &str) -> Result<Option<Vec<u8>>, ClientError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !helper.bytes().all(legal) {
        return Err(ClientError::Credentials(format!("`{helper}` is no name of a credential helper")));
    }
    let program = format!("docker-credential-{helper}");
    let failed =
        |why: &dyn std::fmt::Display| ClientError::Credentials(format!("{program} {verb} failed: {why}"));
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| failed(&why))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read has its own reason, which its exit code tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|why| failed(&why))?;
    if output.status.success() && output.stdout.len() <= MAX_HELPER_REPLY {
        return Ok(Some(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    if said.contains("credentials not found") { Ok(None) } else { Err(failed(&output.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn password(username: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { username: username.to_owned(), password: password.to_owned() })
    }

    fn file(text: &str) -> (tempfile::TempDir, Stores) {
        let folder = tempfile::tempdir().unwrap();
        let helm = folder.path().join("registry/config.json");
        std::fs::create_dir(folder.path().join("registry")).unwrap();
        std::fs::write(&helm, text).unwrap();
        let stores = Stores { helm, docker: Some(folder.path().join("docker.json")) };
        (folder, stores)
    }

    #[test]
    fn entries_of_every_form_are_found() {
        let auth = STANDARD.encode("user:pass:word");
        let (folder, stores) = file(&format!(
            r#"{{"auths":{{"a:5000":{{"auth":"{auth}"}},"https://b/v1/":{{"username":"u","password":"p"}},
                "c":{{"identitytoken":"i"}},"d":{{"registrytoken":"r"}},"e":{{}},"f":null}}}}"#
        ));
        let docker = r#"{"auths":{"https://index.docker.io/v1/":{"username":"d","password":"p"},"a:5000":{"username":"x","password":"y"}}}"#;
        std::fs::write(folder.path().join("docker.json"), docker).unwrap();
        let cases = [
            ("a:5000", password("user", "pass:word")),
            ("b", password("u", "p")),
            ("c", Some(Credentials::Refresh("i".to_owned()))),
            ("d", Some(Credentials::Bearer("r".to_owned()))),
            ("e", None),
            ("f", None),
            ("a", None),
            ("docker.io", password("d", "p")),
        ];
        for (name, expected) in cases {
            assert!(stores.find(&host(name)).unwrap() == expected, "{name}");
        }
    }

    #[test]
    fn storing_and_erasing_keep_what_others_wrote() {
        let (_folder, stores) =
            file(r#"{"auths":{"other":{"auth":"b3RoZXI6eA=="}},"HttpHeaders":{"x":"y"}}"#);
        stores.store(&host("r:5000"), "user", "secret").unwrap();
        assert!(stores.find(&host("r:5000")).unwrap() == password("user", "secret"));
        assert!(stores.find(&host("other")).unwrap() == password("other", "x"));
        let text = std::fs::read_to_string(&stores.helm).unwrap();
        assert!(text.contains("HttpHeaders") && !text.contains("secret"), "{text}");
        assert!(stores.erase(&host("r:5000")).unwrap());
        assert!(!stores.erase(&host("r:5000")).unwrap());
        assert!(stores.find(&host("other")).unwrap().is_some());
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let (_folder, stores) = file(r#"{"auths": "secret-text"#);
        let said = stores.find(&host("a")).unwrap_err().to_string();
        assert!(said.contains("config.json") && !said.contains("secret-text"), "{said}");
        assert!(stores.store(&host("a"), "u", "p").is_err(), "nothing is overwritten");
    }

    #[test]
    fn helpers_are_programs_by_their_name_only() {
        let (_folder, stores) = file(r#"{"credHelpers":{"a":"../../bin/sh","b":"not-there"}}"#);
        assert!(stores.find(&host("a")).unwrap_err().to_string().contains("is no name"));
        let said = stores.find(&host("b")).unwrap_err().to_string();
        assert!(said.contains("docker-credential-not-there get failed"), "{said}");
        assert!(stores.find(&host("c")).unwrap().is_none());
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = password("user", "hunter2").unwrap();
        assert!(!format!("{credentials:?} {:?}", credentials.basic()).contains("hunter2"));
        assert_eq!(credentials.basic().unwrap().to_str().unwrap(), "Basic dXNlcjpodW50ZXIy");
    }
}
