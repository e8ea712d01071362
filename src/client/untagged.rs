//! The manifests of a repository that no tag points to: asked of charthouse's JSON API, because the distribution API lists
//! tags alone.

use serde::Serialize;
use serde_json::Value;

use super::error::ClientError;
use super::reference::Repository;
use super::registry::Registry;

/// A manifest without a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untagged {
    pub digest: String,
    pub media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub pushed: String,
    /// Whether a tag has ever pointed to it.
    pub ever_tagged: bool,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The indexes that list it: while there is one, it cannot be deleted.
    pub listed_by: Vec<String>,
}

/// The manifests of `repository` that have no tag, by digest.
///
/// # Errors
/// `Unfit` for a repository that is not there, and for a registry that is not charthouse.
pub async fn untagged(registry: &Registry, repository: &Repository) -> Result<Vec<Untagged>, ClientError> {
    let path = format!("repositories/{repository}/-/untagged");
    let listed = registry.api(&path, &[], "untagged").await?.ok_or_else(|| {
        ClientError::Unfit(format!(
            "{} does not list manifests without tags of {repository}: there is no such repository, or the registry is \
             not charthouse",
            registry.host()
        ))
    })?;
    Ok(listed.iter().filter_map(read).collect())
}

fn read(entry: &Value) -> Option<Untagged> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let listed_by = entry.get("listedBy").and_then(Value::as_array).into_iter().flatten();
    Some(Untagged {
        digest: text("digest")?,
        media_type: text("mediaType")?,
        artifact_type: text("artifactType"),
        pushed: text("pushed")?,
        ever_tagged: entry.get("everTagged").and_then(Value::as_bool).unwrap_or_default(),
        subject: text("subject"),
        listed_by: listed_by.filter_map(|digest| digest.as_str().map(str::to_owned)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_read_with_what_they_have() {
        let entry = json!({"digest": "sha256:a", "mediaType": "m", "size": 1, "pushed": "t", "everTagged": true,
            "listedBy": ["sha256:b"], "subject": "sha256:c"});
        let full = read(&entry).unwrap();
        assert!(full.ever_tagged && full.listed_by == ["sha256:b"] && full.subject.is_some());
        assert!(read(&json!({"digest": "sha256:a"})).is_none() && read(&json!(1)).is_none());
    }
}
