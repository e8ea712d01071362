//! Whether there are credentials at all: that is found out before anything is asked of the service, because no waiting
//! brings them.

use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;

/// What the usual chain looks at, in the operator's words.
const NONE: &str = "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
    AWS_PROFILE, or run with a role (web identity, container or instance)";

/// Checks that credentials can be had.
///
/// # Errors
/// When nothing provides any, or what does is set up wrongly. A provider that does not answer may do so later.
pub async fn check(provider: &impl ProvideCredentials) -> Result<(), String> {
    match provider.provide_credentials().await {
        Err(CredentialsError::CredentialsNotLoaded(_)) => Err(NONE.to_owned()),
        Err(error @ CredentialsError::InvalidConfiguration(_)) => {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            Err(format!("the credentials are set up wrongly: {}", one_line(&why)))
        }
        _ => Ok(()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
