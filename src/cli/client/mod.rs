//! The commands of the client: arguments to operations, results to people or scripts.

mod copy;
mod list;
mod login;
pub mod output;
mod progress;
mod pull;
mod push;
mod session;
mod show;
mod verify;

use clap::Subcommand;

use crate::client::ClientError;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Push chart packages to a registry, each with the .prov file beside it
    Push(push::Push),
    /// Pull charts from a registry
    Pull(pull::Pull),
    /// List the charts of a registry or of a namespace of it, or the versions of a chart
    List(list::List),
    /// Search the charts of a registry, or of a namespace of it
    Search(list::Search),
    /// Show a chart's metadata, values, README or schema
    Show(show::Show),
    /// Find the version and digest that a constraint stands for
    Resolve(show::Resolve),
    /// Show what differs between two versions of a chart
    Diff(show::Diff),
    /// Copy charts from one registry to another, with signatures and all else that refers to them
    Copy(copy::Copy),
    /// Delete a tag or a manifest
    Delete(copy::Delete),
    /// Check who signed a chart, and that it is what was signed
    Verify(verify::Verify),
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
                Self::List(list) => list.run().await,
                Self::Search(search) => search.run().await,
                Self::Show(show) => show.run().await,
                Self::Resolve(resolve) => resolve.run().await,
                Self::Diff(diff) => diff.run().await,
                Self::Copy(copy) => copy.run().await,
                Self::Delete(delete) => delete.run().await,
                Self::Verify(verify) => verify.run().await,
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
