//! What a mistyped name was meant to be.

/// How alike two names must be, from 0 to 1.
const ALIKE: f64 = 0.7;

/// The candidate that is most like `name`, if one is like it at all.
pub(super) fn nearest<S: AsRef<str>>(name: &str, candidates: impl Iterator<Item = S>) -> Option<S> {
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate.as_ref()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The end of a message about an unknown name.
pub(super) fn did_you_mean<S: AsRef<str>>(name: &str, candidates: impl Iterator<Item = S>) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("; did you mean `{}`?", candidate.as_ref()),
        None => "; `charthouse config print --effective` lists all".to_owned(),
    }
}
