//! The commands of the client: arguments to operations, results to people or scripts.

mod login;
mod output;
mod progress;
mod pull;
mod push;
mod session;

use clap::Subcommand;

use crate::client::ClientError;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Push chart packages to a registry, each with the .prov file beside it
    Push(push::Push),
    /// Pull charts from a registry
    Pull(pull::Pull),
    /// Check credentials for a registry and store them
    Login(login::Login),
    /// Forget the stored credentials for a registry
    Logout(login::Logout),
}

impl ClientCommand {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Push(push) => push.run().await,
                Self::Pull(pull) => pull.run().await,
                Self::Login(login) => login.run().await,
                Self::Logout(logout) => logout.run(),
            }
        })
    }
}

/// Whether the arguments were wrong, rather than the work.
pub fn is_usage(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Usage(_)))
}
