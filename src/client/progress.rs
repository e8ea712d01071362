//! Telling how far long work is: the room says it, whoever runs it shows it.

use std::sync::Arc;

/// Shows work as it goes on.
pub trait Progress: Send + Sync {
    /// Begins a piece of work of `total` bytes or steps.
    fn begin(&self, name: &str, total: u64) -> Arc<dyn Bar>;
}

/// One piece of work; dropping it ends it.
pub trait Bar: Send + Sync {
    fn advance(&self, by: u64);
    /// What was done has to be done again.
    fn retreat(&self, by: u64);
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) -> Arc<dyn Bar> {
        Arc::new(Silent)
    }
}

impl Bar for Silent {
    fn advance(&self, _: u64) {}
    fn retreat(&self, _: u64) {}
}
