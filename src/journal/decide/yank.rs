//! Decisions on what may be chosen.

use super::{Decision, append};
use crate::journal::op::{Op, UnyankOp, YankOp};
use crate::journal::proposal::Refusal;
use crate::journal::state::State;
use crate::oci::{RepositoryName, Tag};

/// The longest reason, in bytes.
const MAX_TEXT: usize = 512;

pub(super) fn yank(
    state: &State,
    (repository, tag): (&RepositoryName, &Tag),
    reason: Option<&str>,
    instead: Option<&str>,
) -> Decision {
    let Some(entry) = state.tag(repository, tag) else {
        return Decision::Refuse(Refusal::TagUnknown(tag.clone()));
    };
    for (what, text) in [("reason", reason), ("replacement", instead)] {
        if text.is_some_and(|text| !is_fit_for_a_header(text)) {
            return Decision::Refuse(Refusal::YankText(what));
        }
    }
    let known = state.repository(repository).and_then(|repository| repository.yanks.get(tag));
    if known.is_some_and(|yank| (yank.reason.as_deref(), yank.instead.as_deref()) == (reason, instead)) {
        return Decision::Unchanged;
    }
    append(Op::Yank(YankOp {
        repository: repository.clone(),
        tag: tag.clone(),
        digest: entry.digest.clone(),
        reason: reason.map(Into::into),
        instead: instead.map(Into::into),
    }))
}

pub(super) fn unyank(state: &State, repository: &RepositoryName, tag: &Tag) -> Decision {
    let Some(entry) = state.tag(repository, tag) else {
        return Decision::Refuse(Refusal::TagUnknown(tag.clone()));
    };
    let yanks = state.repository(repository).map(|repository| &repository.yanks);
    match yanks.is_some_and(|yanks| yanks.contains_key(tag)) {
        true => {
            let (repository, tag, digest) = (repository.clone(), tag.clone(), entry.digest.clone());
            append(Op::Unyank(UnyankOp { repository, tag, digest }))
        }
        false => Decision::Unchanged,
    }
}

/// Reasons go out in a quoted `Warning` header, and to terminals.
fn is_fit_for_a_header(text: &str) -> bool {
    let is_printable = |char: char| !char.is_control() && !"\"\\".contains(char);
    text.len() <= MAX_TEXT && text.chars().all(is_printable)
}
