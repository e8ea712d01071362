//! Credentials, and the files of them that Helm and Docker share.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::config_file::ConfigFile;
use super::helper;
use crate::client::error::ClientError;
use crate::client::files;
use crate::client::reference::Host;

/// What a store may know of a registry. Each part is used where the registry asks for it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub password: Option<Password>,
    /// Docker's `identitytoken`: exchanged for a token at the realm.
    pub refresh: Option<String>,
    /// Docker's `registrytoken`: sent as it is.
    pub bearer: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    pub username: String,
    pub password: String,
}

/// Where credentials are kept; both files may be absent.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// Helm's: read first, and the only one that is written.
    pub helm: PathBuf,
    pub docker: Option<PathBuf>,
}

/// What the stores answered.
#[derive(Debug, Default)]
pub struct Lookup {
    pub credentials: Option<Credentials>,
    /// Why a store could not answer, one line each.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    pub fn of_password(username: String, password: String) -> Self {
        Self { password: Some(Password { username, password }), ..Self::default() }
    }

    /// Returns the value of an `Authorization` header for user name and password.
    pub fn basic(&self) -> Option<HeaderValue> {
        let Password { username, password } = self.password.as_ref()?;
        sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    }

    pub fn bearer(&self) -> Option<HeaderValue> {
        sensitive(&format!("Bearer {}", self.bearer.as_ref()?))
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Stores {
    /// Looks up `host` in Helm's file, then in Docker's. A store that cannot answer is a warning: the registry may be
    /// public, or another store may know it.
    pub fn find(&self, host: &Host) -> Lookup {
        let mut lookup = Lookup::default();
        for path in std::iter::once(&self.helm).chain(&self.docker) {
            find_in(path, host, &mut lookup);
            if lookup.credentials.is_some() {
                break;
            }
        }
        lookup
    }

    /// Keeps user name and password in Helm's file, or in the helper that it names.
    pub fn store(&self, host: &Host, username: &str, password: &str) -> Result<(), ClientError> {
        let _lock = files::lock_beside(&self.helm)?;
        let mut file = ConfigFile::read(&self.helm)?;
        if let Some(helper) = file.helper(host) {
            let given = json!({"ServerURL": server(host), "Username": username, "Secret": password});
            return helper::run(&helper, "store", &given.to_string()).map(drop);
        }
        let auth = STANDARD.encode(format!("{username}:{password}"));
        file.change_auths(|auths| auths.insert(server(host).to_owned(), json!({"auth": auth})));
        file.write(&self.helm)
    }

    /// Forgets what is kept for `host` in Helm's file; says whether there was anything.
    pub fn erase(&self, host: &Host) -> Result<bool, ClientError> {
        if !files::exists(&self.helm) {
            return Ok(false);
        }
        let _lock = files::lock_beside(&self.helm)?;
        let mut file = ConfigFile::read(&self.helm)?;
        if let Some(helper) = file.helper(host) {
            return helper::run(&helper, "erase", server(host)).map(|_| true);
        }
        let found = file.change_auths(|auths| {
            let before = auths.len();
            auths.retain(|key, _| !ConfigFile::is_key_of(key, host));
            auths.len() < before
        });
        if found {
            file.write(&self.helm)?;
        }
        Ok(found)
    }
}

/// Adds what the file at `path`, or the helper that it names for `host`, says.
fn find_in(path: &Path, host: &Host, lookup: &mut Lookup) {
    let file = match ConfigFile::read(path) {
        Ok(file) => file,
        Err(why) => {
            return lookup.warnings.push(format!("credentials are not looked up there: {}", told(&why)));
        }
    };
    if let Some(helper) = file.helper(host) {
        match helper::get(&helper, server(host)) {
            Ok(found) => lookup.credentials = found,
            Err(why) => lookup.warnings.push(format!("{why}; {} names that helper", path.display())),
        }
    }
    if lookup.credentials.is_none() {
        match file.entry(host) {
            Ok(found) => lookup.credentials = found,
            Err(why) => lookup.warnings.push(format!("{}: {why}", path.display())),
        }
    }
}

fn told(error: &ClientError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The name under which Docker keeps the credentials of `host`.
fn server(host: &Host) -> &str {
    match host.on_the_wire() {
        "registry-1.docker.io" => "https://index.docker.io/v1/",
        _ => host.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn password(username: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::of_password(username.to_owned(), password.to_owned()))
    }

    fn found(stores: &Stores, name: &str) -> Option<Credentials> {
        let lookup = stores.find(&host(name));
        assert!(lookup.warnings.is_empty(), "{lookup:?}");
        lookup.credentials
    }

    /// The one warning of a look-up that finds nothing.
    fn warning(stores: &Stores, name: &str) -> String {
        let lookup = stores.find(&host(name));
        assert!(lookup.credentials.is_none() && lookup.warnings.len() == 1, "{lookup:?}");
        lookup.warnings.into_iter().next().unwrap()
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
            ("c", Some(Credentials { refresh: Some("i".to_owned()), ..Credentials::default() })),
            ("d", Some(Credentials { bearer: Some("r".to_owned()), ..Credentials::default() })),
            ("e", None),
            ("f", None),
            ("a", None),
            ("docker.io", password("d", "p")),
        ];
        for (name, expected) in cases {
            assert!(found(&stores, name) == expected, "{name}");
        }
    }

    #[test]
    fn storing_and_erasing_keep_what_others_wrote() {
        let (_folder, stores) =
            file(r#"{"auths":{"other":{"auth":"b3RoZXI6eA=="}},"HttpHeaders":{"x":"y"}}"#);
        stores.store(&host("r:5000"), "user", "secret").unwrap();
        assert!(found(&stores, "r:5000") == password("user", "secret"));
        assert!(found(&stores, "other") == password("other", "x"));
        let text = std::fs::read_to_string(&stores.helm).unwrap();
        assert!(text.contains("HttpHeaders") && !text.contains("secret"), "{text}");
        assert!(stores.erase(&host("r:5000")).unwrap());
        assert!(!stores.erase(&host("r:5000")).unwrap());
        assert!(found(&stores, "other").is_some());
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let (_folder, stores) = file(r#"{"auths": "secret-text"#);
        let said = warning(&stores, "a");
        assert!(said.contains("config.json") && !said.contains("secret-text"), "{said}");
        assert!(stores.store(&host("a"), "u", "p").is_err(), "nothing is overwritten");
    }

    #[test]
    fn helpers_are_programs_by_their_name_only() {
        let (_folder, stores) = file(r#"{"credHelpers":{"a":"../../bin/sh","b":"not-there"}}"#);
        assert!(warning(&stores, "a").contains("is no name"));
        let said = warning(&stores, "b");
        assert!(said.contains("docker-credential-not-there get failed: there is no such program"), "{said}");
        assert!(found(&stores, "c").is_none());
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = password("user", "hunter2").unwrap();
        assert!(!format!("{credentials:?} {:?}", credentials.basic()).contains("hunter2"));
        assert_eq!(credentials.basic().unwrap().to_str().unwrap(), "Basic dXNlcjpodW50ZXIy");
    }

    #[test]
    fn files_of_other_writers_are_read() {
        let auths = r#"{"auths":{"a":{"auth":"YW5uOmFiYw=="}}}"#;
        let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(0xfeff).chain(auths.encode_utf16()).flat_map(order).collect()
        };
        for bytes in [
            format!("\u{feff}{auths}").into_bytes(),
            format!("\r\n {auths}\n trailing").into_bytes(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ] {
            let (_folder, stores) = file("");
            std::fs::write(&stores.helm, bytes).unwrap();
            assert!(found(&stores, "a") == password("ann", "abc"));
        }
    }

    #[test]
    fn a_store_that_cannot_answer_leaves_it_to_the_next() {
        for broken in
            [r#"{"credsStore":"not-there"}"#, "{", r#"{"auths":[]}"#, r#"{"auths":{"a":{"auth":"?"}}}"#]
        {
            let (folder, stores) = file(broken);
            std::fs::write(folder.path().join("docker.json"), r#"{"auths":{"a":{"auth":"YW5uOmFiYw=="}}}"#)
                .unwrap();
            let lookup = stores.find(&host("a"));
            assert!(lookup.credentials == password("ann", "abc"), "{broken}");
            assert_eq!(lookup.warnings.len(), 1, "{broken}");
        }
    }

    #[test]
    fn many_at_once_lose_no_entry() {
        let (folder, stores) = file("");
        std::fs::remove_dir_all(folder.path().join("registry")).unwrap();
        std::thread::scope(|scope| {
            for n in 0..20 {
                let stores = &stores;
                scope.spawn(move || stores.store(&host(&format!("r{n}")), "user", "secret").unwrap());
            }
        });
        for n in 0..20 {
            assert!(found(&stores, &format!("r{n}")) == password("user", "secret"), "{n}");
        }
    }
}
