//! Who we are to a registry: credentials, challenges and tokens, for one host.

mod challenge;
mod config_file;
mod credentials;
mod helper;
mod token;

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::{Mutex, OnceCell};

use challenge::Challenge;
pub use credentials::{Credentials, Stores};

use super::error::ClientError;
use super::reference::Host;
use super::transport::Transport;

/// A token is not used in its last moments: it might expire on its way.
const MARGIN: Duration = Duration::from_secs(10);

/// What a request needs: `repository:team/app:pull`, several with spaces between, or nothing for `GET /v2/`.
pub type Scope = String;

/// Where the credentials for a registry come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// They were given, for this registry alone.
    Given(Credentials),
    /// They are looked up when the registry asks for some, and not before: a store that is broken does not matter to a
    /// public registry.
    Stores(Stores),
}

/// Answers the challenges of one registry.
pub struct Authenticator {
    registry: Url,
    host: Host,
    source: Source,
    /// What the source has, once it was asked.
    found: OnceCell<Option<Credentials>>,
    warnings: std::sync::Mutex<Vec<String>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    basic: bool,
    /// The realm and service of the last challenge, so that the next scope costs no refusal.
    bearer: Option<(String, Option<String>)>,
    tokens: HashMap<Scope, Kept>,
}

struct Kept {
    header: HeaderValue,
    until: Duration,
}

impl Authenticator {
    /// For the registry `host`, whose root is `registry`.
    pub fn new(registry: Url, host: Host, source: Source) -> Self {
        let (found, warnings) = (OnceCell::new(), std::sync::Mutex::default());
        Self { registry, host, source, found, warnings, state: Mutex::default() }
    }

    /// Returns why a store could not answer, each once.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The credentials, looked up by the first call.
    async fn credentials(&self) -> Option<&Credentials> {
        let look_up = || async {
            let stores = match &self.source {
                Source::Given(credentials) => return Some(credentials.clone()),
                Source::Stores(stores) => stores.clone(),
            };
            let host = self.host.clone();
            // Files are read and helpers run there.
            let lookup = tokio::task::spawn_blocking(move || stores.find(&host)).await.unwrap_or_default();
            self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(lookup.warnings);
            lookup.credentials
        };
        self.found.get_or_init(look_up).await.as_ref()
    }

    /// The `Authorization` to begin with: none until the registry has asked for one.
    pub async fn header(
        &self,
        transport: &Transport,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let known = self.found.get().and_then(Option::as_ref);
        if let Some(bearer) = known.and_then(Credentials::bearer) {
            return Ok(Some(bearer));
        }
        let mut state = self.state.lock().await;
        if state.basic {
            return Ok(known.and_then(Credentials::basic));
        }
        if let Some(kept) = state.tokens.get(scope)
            && transport.clock.monotonic() < kept.until
        {
            return Ok(Some(kept.header.clone()));
        }
        match state.bearer.clone() {
            Some((realm, service)) => {
                let scopes: Vec<Scope> = scope.split(' ').map(str::to_owned).collect();
                self.fetch(transport, &mut state, &realm, service.as_deref(), scope, &scopes).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// The `Authorization` that meets the challenge of a 401 to a request that was sent with `used`; `None` when
    /// there is nothing better to offer.
    pub async fn answer(
        &self,
        transport: &Transport,
        scope: &Scope,
        refused: &HeaderMap,
        used: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let challenges = Challenge::of(refused);
        if challenges.is_empty() {
            return Ok(None);
        }
        let credentials = self.credentials().await;
        if let Some(bearer) = credentials.and_then(Credentials::bearer) {
            return Ok(Some(bearer).filter(|bearer| Some(bearer) != used));
        }
        // Without a password there is no answer to `Basic`, but a token may be given to anybody.
        let basic = credentials.and_then(Credentials::basic);
        let meets = |challenge: &Challenge| basic.is_some() || *challenge != Challenge::Basic;
        match challenges.into_iter().find(meets) {
            Some(Challenge::Basic) => {
                self.state.lock().await.basic = true;
                Ok(basic.filter(|basic| Some(basic) != used))
            }
            Some(Challenge::Bearer { realm, service, scope: wanted }) => {
                let mut state = self.state.lock().await;
                // Another request may have met the same challenge while this one waited.
                if let Some(kept) = state.tokens.get(scope)
                    && Some(&kept.header) != used
                {
                    return Ok(Some(kept.header.clone()));
                }
                let mut scopes: Vec<Scope> = Vec::new();
                for one in scope.split(' ').chain(wanted.as_deref().unwrap_or_default().split(' ')) {
                    if !one.is_empty() && !scopes.iter().any(|known| covers(known, one)) {
                        scopes.push(one.to_owned());
                    }
                }
                state.bearer = Some((realm.clone(), service.clone()));
                self.fetch(transport, &mut state, &realm, service.as_deref(), scope, &scopes).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn fetch(
        &self,
        transport: &Transport,
        state: &mut State,
        realm: &str,
        service: Option<&str>,
        scope: &Scope,
        scopes: &[Scope],
    ) -> Result<HeaderValue, ClientError> {
        let scopes: Vec<Scope> = scopes.iter().filter(|scope| !scope.is_empty()).cloned().collect();
        let ask = token::Ask { registry: &self.registry, realm, service, scopes: &scopes };
        let token = token::fetch(transport, &ask, self.credentials().await).await?;
        let until = transport.clock.monotonic() + token.good_for.saturating_sub(MARGIN);
        state.tokens.insert(scope.clone(), Kept { header: token.header.clone(), until });
        Ok(token.header)
    }
}

/// Whether a token for `one` is good for `other` as well: `repository:a:pull,push` is for `repository:a:pull`.
fn covers(one: &str, other: &str) -> bool {
    let (Some((resource, actions)), Some((wanted, needed))) = (one.rsplit_once(':'), other.rsplit_once(':'))
    else {
        return one == other;
    };
    resource == wanted && needed.split(',').all(|action| actions.split(',').any(|granted| granted == action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_scope_covers_a_narrower_one() {
        for (one, other, expected) in [
            ("repository:a:pull,push", "repository:a:pull", true),
            ("repository:a:pull", "repository:a:pull,push", false),
            ("repository:a:pull", "repository:b:pull", false),
            ("repository:h:5000/a:pull", "repository:h:5000/a:pull", true),
            ("x", "x", true),
            ("x", "y", false),
        ] {
            assert_eq!(covers(one, other), expected, "{one} {other}");
        }
    }
}
