//! How to reach a registry and who to be there: Helm's flags, files and variables.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use clap::Args;

use super::output::note;
use crate::client::{ClientError, Credentials, Host, Options, Registry, Source, Stores, Transport, text};
use crate::clock::SystemClock;
use crate::network::ProxyVariables;

/// Of every command that talks to a registry.
#[derive(Args)]
pub struct Connection {
    /// Use HTTP without TLS
    #[arg(long)]
    plain_http: bool,
    /// Take any certificate of the registry
    #[arg(long, alias = "insecure")]
    insecure_skip_tls_verify: bool,
    /// Certificates of authorities, as PEM; no others are trusted
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A certificate to show to the registry, as PEM
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// The key of that certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// User name, instead of the stored one
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Password; other users of the machine may see it there: --password-stdin hides it
    #[arg(short, long, value_name = "PASSWORD", requires = "username")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password", requires = "username")]
    password_stdin: bool,
}

/// The registries of one command.
pub struct Session {
    transport: Arc<Transport>,
    plain_http: bool,
    given: Option<Credentials>,
    stores: Stores,
    registries: Mutex<BTreeMap<Host, Arc<Registry>>>,
}

impl Connection {
    pub fn open(self) -> anyhow::Result<Session> {
        let given = self.given()?;
        let options = Options {
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            ca_file: self.ca_file,
            cert_file: self.cert_file,
            key_file: self.key_file,
            proxies: ProxyVariables::read(|name| env::var(name).ok()),
        };
        let transport = Arc::new(Transport::new(&options, Arc::new(SystemClock::default()))?);
        for warning in transport.warnings() {
            note(&format!("warning: {warning}"));
        }
        Ok(Session {
            transport,
            plain_http: self.plain_http,
            given,
            stores: stores(),
            registries: Mutex::default(),
        })
    }

    /// As if `--plain-http` had been given.
    pub fn use_plain_http(&mut self) {
        self.plain_http = true;
    }

    /// User name and password, asked for where a person can answer.
    pub fn ask(&mut self) -> anyhow::Result<()> {
        let terminal = io::stdin().is_terminal();
        let missing =
            |what: &str| ClientError::Usage(format!("{what} is missing, and there is no terminal to ask on"));
        if self.username.is_none() {
            if !terminal {
                return Err(missing("--username").into());
            }
            self.username = Some(question("Username: ")?);
        }
        if self.password.is_none() && !self.password_stdin {
            if !terminal {
                return Err(missing("--password-stdin").into());
            }
            self.password = Some(secret_question("Password: ")?);
        }
        Ok(())
    }

    fn given(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => password.clone(),
            (None, true) => password_of_stdin()?,
            (None, false) => {
                return Err(ClientError::Usage(
                    "--username goes with --password-stdin or --password".to_owned(),
                )
                .into());
            }
        };
        if username.contains(':') || username.is_empty() || password.is_empty() {
            let why = "a user name has no `:`, and neither it nor the password is empty";
            return Err(ClientError::Usage(why.to_owned()).into());
        }
        Ok(Some(Credentials::of_password(username, password)))
    }
}

impl Session {
    /// The registry at `host`, with the credentials that were given or else are stored.
    ///
    /// # Errors
    /// For a second registry when credentials were given: they are for one.
    pub fn registry(&self, host: &Host) -> Result<Arc<Registry>, ClientError> {
        self.registry_over(host, self.plain_http)
    }

    /// The same, over plain HTTP or not.
    pub fn registry_over(&self, host: &Host, plain_http: bool) -> Result<Arc<Registry>, ClientError> {
        let Some(given) = &self.given else { return self.stored(host, plain_http) };
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = registries.get(host) {
            return Ok(Arc::clone(known));
        }
        if !registries.is_empty() {
            let why = "--username and its password are for one registry; log in to the others";
            return Err(ClientError::Usage(why.to_owned()));
        }
        let transport = Arc::clone(&self.transport);
        let registry =
            Arc::new(Registry::new(transport, host.clone(), plain_http, Source::Given(given.clone()))?);
        registries.insert(host.clone(), Arc::clone(&registry));
        Ok(registry)
    }

    /// The registry at `host`, with stored credentials only.
    pub fn stored(&self, host: &Host, plain_http: bool) -> Result<Arc<Registry>, ClientError> {
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = registries.get(host) {
            return Ok(Arc::clone(known));
        }
        let (transport, source) = (Arc::clone(&self.transport), Source::Stores(self.stores.clone()));
        let registry = Arc::new(Registry::new(transport, host.clone(), plain_http, source)?);
        registries.insert(host.clone(), Arc::clone(&registry));
        Ok(registry)
    }

    pub fn plain_http(&self) -> bool {
        self.plain_http
    }

    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// User name and password that were given.
    pub fn password(&self) -> Option<(&str, &str)> {
        let given = self.given.as_ref()?.password.as_ref()?;
        Some((&given.username, &given.password))
    }
}

/// What registries warned of is told when the command is over, however it went.
impl Drop for Session {
    fn drop(&mut self) {
        let registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in registries.values().flat_map(|registry| registry.take_warnings()) {
            note(&format!("warning: {warning}"));
        }
    }
}

/// Helm's file and Docker's, where their own rules put them.
pub fn stores() -> Stores {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME").unwrap_or_default();
    let helm_home = || {
        let default = if cfg!(target_os = "macos") { "Library/Preferences" } else { ".config" };
        let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(default));
        variable("HELM_CONFIG_HOME").unwrap_or_else(|| config.join("helm"))
    };
    let helm = variable("HELM_REGISTRY_CONFIG").unwrap_or_else(|| helm_home().join("registry/config.json"));
    let docker = variable("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker"));
    Stores { helm, docker: Some(docker.join("config.json")) }
}

fn password_of_stdin() -> anyhow::Result<String> {
    const LONGEST: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    io::stdin().take(LONGEST).read_to_end(&mut bytes).context("cannot read the password")?;
    let wrong = "the password on standard input is neither UTF-8 nor UTF-16 with a byte order mark";
    let text = text::decode(&bytes).ok_or_else(|| ClientError::Usage(wrong.to_owned()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub fn question(prompt: &str) -> anyhow::Result<String> {
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes()).and_then(|()| stderr.flush())?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("cannot read the answer")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A question whose answer is not shown.
fn secret_question(prompt: &str) -> anyhow::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).context("cannot hide what is typed")?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("cannot hide what is typed")?;
    let answer = question(prompt);
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("cannot show again what is typed")?;
    note("");
    answer
}
