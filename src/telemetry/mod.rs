//! Logs, and what this process is and uses. Logs: one line for each event on standard error, as JSON or for people.
//!
//! Text from clients ends up in log lines, so everything that could forge a line or steer a terminal is escaped.

mod line;
pub mod process;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat, Service};
use line::Lines;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What was built, when the build was told.
pub const COMMIT: &str = match option_env!("CHARTHOUSE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

#[derive(Debug, Error)]
pub enum TelemetryError {
    #[error("log.level is not a filter: {0}")]
    Filter(#[from] ParseError),
    #[error("logs are set up already")]
    Twice,
}

/// Sends the events of this process, panics included, to standard error. Once for a process.
pub fn start(log: &Log, service: &Service) -> Result<(), TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let pretty = log.format == LogFormat::Pretty || (log.format == LogFormat::Auto && terminal);
    let lines = if pretty { Lines::Pretty } else { Lines::json(service) };
    // https://no-color.org
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = subscriber(log, lines, colours, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    log: &Log,
    lines: Lines,
    colours: bool,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(tracing_subscriber::fmt()
        .with_env_filter(filter(log)?)
        .with_ansi(colours)
        .log_internal_errors(false)
        .with_writer(writer)
        .event_format(lines)
        .finish())
}

/// Access lines do not depend on the level: `log.access` alone decides.
fn filter(log: &Log) -> Result<EnvFilter, ParseError> {
    let level = log.level.as_str();
    let mut filter = EnvFilter::try_new(level)?;
    // The start and end of each worker is no news at this level.
    if level.split(',').any(|directive| directive == "info") && !level.contains("actix_server") {
        filter = filter.add_directive("actix_server=warn".parse()?);
    }
    // A request that is no HTTP is an error to actix: anybody could fill the log with those.
    if !level.contains("actix_http") {
        filter = filter.add_directive("actix_http=off".parse()?);
    }
    let access = if log.access { "charthouse::access=info" } else { "charthouse::access=off" };
    Ok(filter.add_directive(access.parse()?))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let place = panic.location().map(tracing::field::display);
    tracing::error!(place, "this is a bug in charthouse, please report it: {message}");
}
