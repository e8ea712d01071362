//! The environment: `CHARTHOUSE_SERVER_LISTEN` is `server.listen`, and `CHARTHOUSE_CONFIG` names the file.

use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::{KEYS, Key, PREFIX};
use super::suggestion::nearest;

const FILE: &str = "CHARTHOUSE_CONFIG";

/// The variables that concern us.
#[derive(Default)]
pub(super) struct Variables {
    pub file: Option<PathBuf>,
    pub values: Vec<(&'static Key, String)>,
    pub problems: Vec<String>,
}

/// A variable that begins with a section of ours, is named like a flag or a section, or looks like one of ours, but is
/// none, is a problem.
/// Others are somebody else's: test scripts have theirs, and Kubernetes sets `CHARTHOUSE_SERVICE_HOST` and
/// `CHARTHOUSE_PORT_5000_TCP` in every pod beside a Service called `charthouse`.
pub(super) fn ours(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with(PREFIX) {
            variables.problems.extend(misspelled(name));
        } else if name == FILE {
            variables.file = Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
        } else if let Some(key) = KEYS.iter().find(|key| key.variable() == name) {
            match value.into_string() {
                Ok(text) => variables.values.push((key, text)),
                Err(_) => variables.problems.push(format!("environment {name}: {}: not UTF-8", key.name)),
            }
        } else if let Some(problem) = mistyped(name) {
            variables.problems.push(problem);
        }
    }
    variables.problems.sort();
    variables
}

/// A variable of ours in lower case, or with other separators.
fn misspelled(name: &str) -> Option<String> {
    let normalised: String =
        name.chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_uppercase() }).collect();
    let meant = KEYS.iter().map(Key::variable).chain([FILE.to_owned()]).find(|known| *known == normalised)?;
    Some(format!("environment {name}: no setting has this variable; did you mean {meant}?"))
}

/// What a variable means that has the name of a flag or a whole section, like `CHARTHOUSE_STORAGE`.
fn shortened(suffix: &str) -> Option<String> {
    let flag =
        |key: &&Key| key.flag.is_some_and(|flag| flag[2..].replace('-', "_").eq_ignore_ascii_case(suffix));
    let section =
        |key: &&Key| key.name.split('.').next().is_some_and(|name| name.eq_ignore_ascii_case(suffix));
    KEYS.iter().find(flag).or_else(|| KEYS.iter().find(section)).map(Key::variable)
}

fn mistyped(name: &str) -> Option<String> {
    let suffix = name.strip_prefix(PREFIX)?;
    // `__` parts the levels in other programs.
    let meant = shortened(suffix).or_else(|| {
        let single = suffix.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        let variable = format!("{PREFIX}{single}");
        KEYS.iter().map(Key::variable).find(|known| *known == variable)
    });
    if let Some(meant) = meant {
        return Some(format!("environment {name}: no setting has this variable; did you mean {meant}?"));
    }
    let in_a_section = KEYS.iter().filter_map(|key| key.name.split('.').next()).any(|section| {
        let rest =
            name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(&section.to_ascii_uppercase()));
        rest.is_some_and(|rest| rest.starts_with('_'))
    });
    let variables = KEYS.iter().map(Key::variable);
    // Without the prefix, which would make all names alike.
    let suffixes = variables.filter_map(|variable| variable.strip_prefix(PREFIX).map(str::to_owned));
    let meant = nearest(suffix, suffixes);
    if is_service_link(name) || (meant.is_none() && !in_a_section) {
        return None;
    }
    let hint = meant.map(|suffix| format!("; did you mean {PREFIX}{suffix}?")).unwrap_or_default();
    Some(format!("environment {name}: no setting has this variable{hint}"))
}

/// What Kubernetes (and Docker's old links) set for a Service: `..._SERVICE_HOST`, `..._SERVICE_PORT[_NAME]`,
/// `..._PORT`, `..._PORT_<number>_<protocol>[_...]`.
fn is_service_link(name: &str) -> bool {
    let numbered_port = name
        .split("_PORT_")
        .skip(1)
        .any(|rest| rest.split('_').next().is_some_and(|number| number.parse::<u16>().is_ok()));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || numbered_port
}
