//! How far a copy is, on standard error: a bar for people, lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::cli::client::output::note;
use crate::journal::transfer::Event;
use crate::oci::Namespace;

/// Lines tell of a stretch of work that is this long, a line for each tenth of it.
const LONG_DATA: u64 = 1 << 30;
const LONG_JOURNAL: u64 = 10_000;

pub struct Shown {
    /// On a terminal.
    bar: Option<ProgressBar>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    namespace: String,
    what: &'static str,
    done: u64,
    /// 0 of what is short.
    total: u64,
}

impl Shown {
    pub fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0));
        Self { bar, lines: Mutex::default() }
    }

    pub fn tell(&self, event: Event<'_>) {
        match &self.bar {
            Some(bar) => show(bar, event),
            None => self.lines().tell(event),
        }
    }

    pub fn end(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(bar: &ProgressBar, event: Event<'_>) {
    let begin = |total: u64, template: &str| {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.reset();
        bar.set_length(total);
    };
    match event {
        Event::Namespace { namespace, position, of } => {
            bar.set_message(format!("{} ({position} of {of})", name(namespace)));
        }
        Event::Data { bytes } => {
            begin(
                bytes,
                "{msg:30!} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
            );
        }
        Event::Journal { commits } => begin(commits, "{msg:30!} {wide_bar} {pos}/{len} commits {eta}"),
        Event::Verified { bytes } => bar.inc(bytes),
        Event::Appended => bar.inc(1),
    }
}

impl Lines {
    fn tell(&mut self, event: Event<'_>) {
        match event {
            Event::Namespace { namespace, position, of } => {
                self.namespace = name(namespace);
                note(&format!("namespace {} ({position} of {of})", self.namespace));
            }
            Event::Data { bytes } => self.begin(bytes, LONG_DATA, "of content verified"),
            Event::Journal { commits } => self.begin(commits, LONG_JOURNAL, "commits"),
            Event::Verified { bytes } => self.advance(bytes, |n| BinaryBytes(n).to_string()),
            Event::Appended => self.advance(1, |n| n.to_string()),
        }
    }

    fn begin(&mut self, total: u64, long: u64, what: &'static str) {
        (self.done, self.what) = (0, what);
        self.total = if total >= long { total } else { 0 };
    }

    fn advance(&mut self, by: u64, write: fn(u64) -> String) {
        let tenth = |done: u64| (done * 10).checked_div(self.total).unwrap_or(0);
        let (before, now) = (tenth(self.done), tenth(self.done + by));
        self.done += by;
        if now > before {
            let (done, total) = (write(self.done), write(self.total));
            note(&format!("namespace {}: {done} of {total} {}", self.namespace, self.what));
        }
    }
}

/// As it is told to people.
pub(super) fn name(namespace: &Namespace) -> String {
    if *namespace == Namespace::root() { "(root)".to_owned() } else { namespace.to_string() }
}
