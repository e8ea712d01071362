//! Paths with slashes too many. Where they lead is told by a redirect, so that whatever stands before this server sees, and
//! checks, the path that is answered. Paths of the distribution API are not mended: its clients write them right.

use super::{below_v2, route};

/// Returns where a path leads that nothing answers as it is, when it only has doubled slashes or a slash at its end: as a
/// reference relative to it, because a proxy may have taken a prefix off.
pub fn without_extra_slashes(
    method: &str,
    path: &str,
    query: Option<&str>,
    reserved: &str,
) -> Option<String> {
    if !(path.starts_with('/') && (path.contains("//") || path.ends_with('/'))) {
        return None;
    }
    let components: Vec<&str> = path.split('/').filter(|component| !component.is_empty()).collect();
    if components.is_empty() {
        return None;
    }
    let tidy = format!("/{}", components.join("/"));
    let is_health = components.as_slice() == [reserved] && !reserved.is_empty();
    if below_v2(&tidy).is_some() || !(is_health || route(method, &tidy, query, reserved).is_ok()) {
        return None;
    }
    // Each slash but the first is a folder to leave.
    let up = "../".repeat(path.matches('/').count() - 1);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{up}{}{query}", &tidy[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_slashes_lead_to_the_path_without_them() {
        let cases = [
            ("//index.yaml", Some("../index.yaml")),
            ("/team//index.yaml", Some("../../team/index.yaml")),
            ("//team///index.yaml", Some("../../../../team/index.yaml")),
            ("/team/index.yaml/", Some("../../team/index.yaml")),
            ("/team/charts//x-1.0.0.tgz", Some("../../../team/charts/x-1.0.0.tgz")),
            ("/api//team/charts", Some("../../../api/team/charts")),
            ("/-//api/v1/charts//", Some("../../../../../../-/api/v1/charts")),
            ("/health/", Some("../health")),
            // Nothing is there without them, either.
            ("//", None),
            ("//evil.example/", None),
            ("/team//", None),
            ("/team//../index.yaml", None),
            ("//%2e%2e/index.yaml", None),
            ("/Team//index.yaml", None),
            ("//v2/", None),
            ("/v2//team/app/tags/list", None),
            ("/v2/team/app/tags/list/", None),
            ("team//index.yaml", None),
        ];
        for (path, expected) in cases {
            assert_eq!(without_extra_slashes("GET", path, None, "health").as_deref(), expected, "{path}");
        }
        let with_query = without_extra_slashes("POST", "/api//charts", Some("force"), "health");
        assert_eq!(with_query.as_deref(), Some("../../api/charts?force"));
    }
}
