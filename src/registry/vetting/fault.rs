//! What is wrong with a chart: each message names the rule that was broken and what to do.

use std::sync::Arc;

use crate::chart::archive::{Disagreement, InvalidPackage};
use crate::chart::provenance::{InvalidProvenance, Untrusted};
use crate::chart::{MAX_METADATA, Unlisted};

/// Why a chart gets no tag.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}: {advice}", advice = advice(.0))]
    Package(Arc<InvalidPackage>),
    #[error("{}: push the package with `helm push`, which makes all of it from the package", listed(.0))]
    Disagreements(Vec<Disagreement>),
    #[error("the manifest is not that of a chart, because {0}: push the package with `helm push`")]
    Manifest(Unlisted),
    #[error(
        "the metadata of the chart has more than {MAX_METADATA} bytes, so that no index can list it: shorten the texts of its Chart.yaml, for example its annotations"
    )]
    MetadataTooLarge,
    #[error("the manifest has {0} layers that are a provenance file, instead of one: leave out all but one")]
    Provenances(usize),
    #[error("{0}: sign the package again with `helm package --sign`")]
    Provenance(#[from] InvalidProvenance),
    #[error("{0}: only keys of policy.provenance.keyring count")]
    Untrusted(#[from] Untrusted),
    #[error(
        "the chart has no provenance file, and here every chart must have one (policy.provenance.required): sign it with `helm package --sign`"
    )]
    Unsigned,
}

/// As many as a message has room for.
const SHOWN: usize = 3;

/// What to do: to pack the same again would bring the same refusal where the content itself is too large.
fn advice(invalid: &InvalidPackage) -> &'static str {
    match invalid {
        InvalidPackage::TooLong { .. }
        | InvalidPackage::TooLarge
        | InvalidPackage::FileTooLarge { .. }
        | InvalidPackage::TooManyEntries
        | InvalidPackage::TooDeep(_) => {
            "leave out what the chart does not need, with a `.helmignore` file, before you run `helm package`"
        }
        InvalidPackage::ChartYaml(_) => "correct it, then pack it again with `helm package`",
        InvalidPackage::Subchart { reason, .. } => advice(reason),
        _ => "pack it again with `helm package`",
    }
}

fn listed(found: &[Disagreement]) -> String {
    let shown: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    let rest = found.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join("; "))
}
