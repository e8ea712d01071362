//! Bars on standard error, for people who look at it.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::client::{Bar, Progress, Silent};

/// What is smaller is over before anybody has read the bar.
const WORTH_A_BAR: u64 = 1024 * 1024;

struct Bars(MultiProgress);

struct Shown(ProgressBar);

/// Bars on a terminal, nothing elsewhere.
pub fn progress() -> Arc<dyn Progress> {
    if io::stderr().is_terminal() { Arc::new(Bars(MultiProgress::new())) } else { Arc::new(Silent) }
}

impl Progress for Bars {
    fn begin(&self, name: &str, total: u64) -> Arc<dyn Bar> {
        if total < WORTH_A_BAR {
            return Arc::new(Silent);
        }
        let template = "{msg:30!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.0.add(ProgressBar::new(total).with_style(style));
        bar.set_message(name.to_owned());
        Arc::new(Shown(bar))
    }
}

impl Bar for Shown {
    fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    fn retreat(&self, by: u64) {
        self.0.dec(by);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
