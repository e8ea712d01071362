//! The namespaces of the store, read from the markers of their repositories. No namespace but the root is loaded.

use std::collections::BTreeSet;

use super::{Error, Page, Registry};
use crate::journal::keys;
use crate::oci::{Namespace, RepositoryName};

/// How many markers are read at once.
const MARKERS: usize = 1_000;

/// A page of namespaces in byte order; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespacePage {
    pub namespaces: Vec<Namespace>,
    pub more: bool,
}

impl Registry {
    /// The namespaces that anything was ever pushed to. The work is that of the repositories in them.
    pub async fn namespaces(&self, page: Page<'_>) -> Result<NamespacePage, Error> {
        if page.limit == 0 {
            return Ok(NamespacePage::default());
        }
        let mut first = First { last: page.last, count: page.limit + 1, found: BTreeSet::new() };
        let root = Namespace::root();
        if page.last.is_none() && self.journals.current(&root).await?.is_some_and(|state| state.exists()) {
            first.found.insert(root);
        }
        // Names of repositories begin with that of their namespace: none before `last` matters.
        let mut after = format!("{}{}", keys::CATALOG, page.last.unwrap_or_default());
        loop {
            let markers = self.backend.list(keys::CATALOG, &after, MARKERS).await?;
            let mut repositories = markers.iter().filter_map(keys::marked);
            let complete = repositories.any(|repository| first.take(&repository));
            match markers.last() {
                Some(last) if markers.len() == MARKERS && !complete => after = last.as_str().to_owned(),
                _ => break,
            }
        }
        let more = first.found.len() > page.limit;
        Ok(NamespacePage { namespaces: first.found.into_iter().take(page.limit).collect(), more })
    }
}

/// The first namespaces after `last`, as far as they were seen.
struct First<'a> {
    last: Option<&'a str>,
    count: usize,
    found: BTreeSet<Namespace>,
}

impl First<'_> {
    /// Takes the namespace of the next repository in byte order, and says whether no later one can matter.
    fn take(&mut self, repository: &RepositoryName) -> bool {
        let namespace = repository.namespace();
        if !namespace.as_str().is_empty() && self.last.is_none_or(|last| namespace.as_str() > last) {
            self.found.insert(namespace);
        }
        if self.found.len() > self.count {
            self.found.pop_last();
        }
        let is_full = self.found.len() == self.count;
        is_full && self.found.last().is_some_and(|last| is_behind(repository, last))
    }
}

/// Whether `repository` stands behind those of all namespaces before `last`. The namespace `a` is before `a-b` and `a/b`,
/// but its repository `a/z` comes after theirs; `0` comes after `-`, `.` and `/`.
fn is_behind(repository: &RepositoryName, last: &Namespace) -> bool {
    let start = last.as_str().split(['-', '.', '/']).next().unwrap_or_default();
    let (first, rest) = repository.as_str().split_at(start.len().min(repository.as_str().len()));
    (first, rest) >= (start, "0")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first `count` namespaces, and after how many repositories that was known.
    fn first(
        repositories: &BTreeSet<RepositoryName>,
        last: Option<&str>,
        count: usize,
    ) -> (Vec<String>, usize) {
        let mut first = First { last, count, found: BTreeSet::new() };
        let after = |name: &&RepositoryName| last.is_none_or(|last| name.as_str() > last);
        let mut seen = 0;
        for repository in repositories.iter().filter(after) {
            seen += 1;
            if first.take(repository) {
                break;
            }
        }
        (first.found.iter().map(Namespace::to_string).collect(), seen)
    }

    #[test]
    fn what_comes_later_is_not_read() {
        let names = ["a/x", "a-b/x", "a/z", "b/x", "c/x", "d/x"];
        let repositories = names.iter().map(|name| RepositoryName::parse(name).unwrap()).collect();
        assert_eq!(first(&repositories, None, 2), (vec!["a".to_owned(), "a-b".to_owned()], 4));
        assert_eq!(first(&repositories, Some("a/"), 1), (vec!["b".to_owned()], 4));
    }

    proptest! {
        #[test]
        fn the_first_namespaces_are_found_in_order(
            names in prop::collection::btree_set("[ab](([-._]|__)?[ab0])?(/[ab](([-._]|__)?[ab0])?){1,3}", 0..30),
            last in prop::option::of("[ab](([-._/]|__)?[ab0])?"),
            count in 1usize..6,
        ) {
            let repositories: BTreeSet<_> = names.iter().filter_map(|name| RepositoryName::parse(name).ok()).collect();
            let namespaces: BTreeSet<_> = repositories.iter().map(|name| name.namespace().to_string()).collect();
            let after = namespaces.into_iter().filter(|name| last.as_ref().is_none_or(|last| name > last));
            let expected: Vec<_> = after.take(count).collect();
            prop_assert_eq!(first(&repositories, last.as_deref(), count).0, expected);
        }
    }
}
