//! `charthouse storage`: an operator's work on whole stores.

mod copy;
mod progress;

use clap::Subcommand;

pub use copy::Unfit;

#[derive(Subcommand)]
pub enum StorageCommand {
    /// Copy a store to another place while it is in use; run again, it goes on or catches up
    Copy(copy::Copy),
}

impl StorageCommand {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Copy(copy) => copy.run().await,
            }
        })
    }
}
