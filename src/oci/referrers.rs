//! The answer of the referrers API (distribution-spec, "Listing Referrers").

use serde::Serialize;

use super::descriptor::Descriptor;
use super::media_type::OCI_INDEX;

/// The OCI image index that lists `descriptors`, in that order. Its content type is [`OCI_INDEX`].
pub fn referrers_index(descriptors: &[Descriptor]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Index { schema_version: 2, media_type: OCI_INDEX, manifests: descriptors })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Manifest, MediaType, OCI_MANIFEST};

    #[test]
    fn the_index_has_the_fields_of_the_standard_in_its_order() {
        let digest = Digest::sha256(b"x");
        let bare = Descriptor {
            media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
            digest: digest.clone(),
            size: 1,
            artifact_type: None,
            annotations: Default::default(),
        };
        let full = Descriptor {
            artifact_type: Some("a/b".to_owned()),
            annotations: [("k".to_owned(), "\u{1b}\"".to_owned())].into(),
            ..bare.clone()
        };
        let body = referrers_index(&[bare, full.clone()]).unwrap();
        let start = format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1"#);
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{start}}},{start},"artifactType":"a/b","annotations":{{"k":"\u001b\""}}}}]}}"#
        );
        assert_eq!(String::from_utf8(body.clone()).unwrap(), expected);
        let read = Manifest::read(&body, &MediaType::parse(OCI_INDEX).unwrap()).unwrap();
        assert_eq!(read.manifests[1], full);
    }

    #[test]
    fn no_referrers_are_an_empty_list() {
        let body = String::from_utf8(referrers_index(&[]).unwrap()).unwrap();
        assert!(body.ends_with(r#""manifests":[]}"#));
    }
}
