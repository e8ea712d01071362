//! The names of all actions, for whoever keeps something for each of them.

/// Every [`Action::kind`](super::Action::kind), in byte order.
pub const KINDS: [&str; 45] = [
    "api.chart",
    "api.chart_yaml",
    "api.charts",
    "api.dependencies",
    "api.diff",
    "api.files",
    "api.namespaces",
    "api.openapi",
    "api.readme",
    "api.resolve",
    "api.schema",
    "api.search",
    "api.untagged",
    "api.values",
    "api.version",
    "api.versions",
    "blob.delete",
    "blob.get",
    "blob.head",
    "catalog",
    "chart.artifacthub",
    "chart.file",
    "chart.index",
    "home",
    "manifest.delete",
    "manifest.get",
    "manifest.head",
    "manifest.put",
    "museum.delete",
    "museum.info",
    "museum.list",
    "museum.provenance",
    "museum.templates",
    "museum.upload",
    "museum.values",
    "museum.version",
    "museum.versions",
    "ping",
    "referrers",
    "tags",
    "upload.cancel",
    "upload.patch",
    "upload.put",
    "upload.start",
    "upload.status",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that a match in the function `kind` gives.
    fn given_by(source: &'static str) -> impl Iterator<Item = &'static str> {
        let (_, body) = source.split_once("fn kind(").unwrap();
        let (body, _) = body.split_once("\n    }\n").unwrap();
        body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn the_table_has_every_kind_in_order() {
        let sources = [include_str!("mod.rs"), include_str!("api.rs"), include_str!("museum.rs")];
        let mut kinds: Vec<&str> = sources.into_iter().flat_map(given_by).collect();
        kinds.sort_unstable();
        assert_eq!(KINDS.to_vec(), kinds);
    }
}
