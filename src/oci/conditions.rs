//! Preconditions on the digest that a tag or a manifest has now (RFC 9110 section 13.1). The entity tag of content is
//! its digest in quotes.

use super::digest::Digest;

/// `If-Match` and `If-None-Match`, whose entity tags are digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub if_match: Option<EtagSet>,
    pub if_none_match: Option<EtagSet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagSet {
    /// `*`: whatever is there.
    Any,
    Digests(Vec<Digest>),
}

/// A list of entity tags that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("If-Match and If-None-Match are `*` alone, or entity tags in double quotes separated by commas")]
pub struct InvalidEntityTag;

impl Condition {
    /// Reads the values of all `If-Match` and of all `If-None-Match` headers of a request.
    ///
    /// An entity tag that is not a digest is legal and names nothing here. A weak one counts for `If-None-Match` only
    /// (sections 13.1.1 and 13.1.2).
    pub fn parse<'a>(
        if_match: impl IntoIterator<Item = &'a str>,
        if_none_match: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidEntityTag> {
        Ok(Self {
            if_match: entity_tags(if_match)?.map(|tags| named(tags, |tag| !tag.weak)),
            if_none_match: entity_tags(if_none_match)?.map(|tags| named(tags, |_| true)),
        })
    }

    /// Whether the condition holds for what is there now, if anything.
    pub fn holds(&self, current: Option<&Digest>) -> bool {
        let matches = |set: &EtagSet| current.is_some_and(|digest| set.contains(digest));
        self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches)
    }
}

impl EtagSet {
    pub fn contains(&self, digest: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Digests(digests) => digests.contains(digest),
        }
    }
}

/// Whether `If-None-Match` names `tag`, the entity tag of what is there, without its quotes. Weak tags count (RFC 9110
/// section 13.1.2); what cannot be read names nothing.
pub fn is_named<'a>(if_none_match: impl IntoIterator<Item = &'a str>, tag: &str) -> bool {
    match entity_tags(if_none_match) {
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::Listed(tags))) => tags.iter().any(|listed| listed.opaque == tag),
        Ok(None) | Err(InvalidEntityTag) => false,
    }
}

enum Tags<'a> {
    Any,
    Listed(Vec<EntityTag<'a>>),
}

struct EntityTag<'a> {
    weak: bool,
    opaque: &'a str,
}

fn named(tags: Tags<'_>, counts: impl Fn(&EntityTag<'_>) -> bool) -> EtagSet {
    match tags {
        Tags::Any => EtagSet::Any,
        Tags::Listed(tags) => {
            let counting = tags.iter().filter(|tag| counts(tag));
            EtagSet::Digests(counting.filter_map(|tag| Digest::parse(tag.opaque).ok()).collect())
        }
    }
}

/// The lists of several headers are one list; no header is no condition, and an empty list is none that can be meant.
fn entity_tags<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Option<Tags<'a>>, InvalidEntityTag> {
    let headers: Vec<&str> = headers.into_iter().collect();
    if let [only] = headers[..]
        && only.trim_matches(SPACE) == "*"
    {
        return Ok(Some(Tags::Any));
    }
    let mut tags = Vec::new();
    for header in &headers {
        list(header, &mut tags)?;
    }
    match (headers.is_empty(), tags.is_empty()) {
        (true, _) => Ok(None),
        (false, true) => Err(InvalidEntityTag),
        (false, false) => Ok(Some(Tags::Listed(tags))),
    }
}

const SPACE: [char; 2] = [' ', '\t'];

/// Empty elements are passed over, as section 5.6.1.2 wants it; a comma inside of quotes belongs to the tag.
fn list<'a>(header: &'a str, tags: &mut Vec<EntityTag<'a>>) -> Result<(), InvalidEntityTag> {
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let inside = quoted.strip_prefix('"').ok_or(InvalidEntityTag)?;
        let (opaque, after) = inside.split_once('"').ok_or(InvalidEntityTag)?;
        if opaque.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(InvalidEntityTag);
        }
        tags.push(EntityTag { weak, opaque });
        let after = after.trim_start_matches(SPACE);
        if !after.is_empty() && !after.starts_with(',') {
            return Err(InvalidEntityTag);
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a() -> Digest {
        Digest::sha256(b"a")
    }

    fn b() -> Digest {
        Digest::sha256(b"b")
    }

    #[test]
    fn lists_are_read_from_all_headers() {
        use EtagSet::{Any, Digests};
        let (a, b) = (a(), b());
        let cases = [
            (vec!["*".to_owned()], Any),
            (vec!["\t* ".to_owned()], Any),
            (vec![format!("\"{a}\"")], Digests(vec![a.clone()])),
            (vec![format!("\"{a}\" ,\t\"{b}\"")], Digests(vec![a.clone(), b.clone()])),
            (vec![format!(", ,\"{a}\",,\"{b}\",")], Digests(vec![a.clone(), b.clone()])),
            (vec![format!("\"{a}\""), format!("\"{b}\"")], Digests(vec![a.clone(), b.clone()])),
            (vec![format!("\"x\", \"{a}\", \"\"")], Digests(vec![a.clone()])),
            (vec![format!("\"x,{a}\"")], Digests(vec![])),
            (vec!["\"é\"".to_owned()], Digests(vec![])),
        ];
        for (headers, expected) in cases {
            let read = Condition::parse(headers.iter().map(String::as_str), []).unwrap();
            assert_eq!(read, Condition { if_match: Some(expected), if_none_match: None }, "{headers:?}");
        }
        assert_eq!(Condition::parse([], []), Ok(Condition::default()));
    }

    #[test]
    fn a_weak_tag_counts_for_if_none_match_only() {
        let weak = format!("W/\"{}\"", a());
        let read = Condition::parse([weak.as_str()], [weak.as_str()]).unwrap();
        assert_eq!(read.if_match, Some(EtagSet::Digests(vec![])));
        assert_eq!(read.if_none_match, Some(EtagSet::Digests(vec![a()])));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let digest = a().to_string();
        let quoted = format!("\"{digest}\"");
        let cases = [
            String::new(),
            " , ".to_owned(),
            digest.clone(),
            format!("\"{digest}"),
            format!("{digest}\""),
            format!("w/{quoted}"),
            format!("W/ {quoted}"),
            format!("{quoted} {quoted}"),
            format!("{quoted}{quoted}"),
            format!("{quoted}, *"),
            format!("*, {quoted}"),
            "**".to_owned(),
            "'x'".to_owned(),
            "\"a b\"".to_owned(),
        ];
        for header in cases {
            assert_eq!(Condition::parse([header.as_str()], []), Err(InvalidEntityTag), "{header:?}");
            assert_eq!(Condition::parse([], [header.as_str()]), Err(InvalidEntityTag), "{header:?}");
        }
        assert_eq!(Condition::parse(["*", "*"], []), Err(InvalidEntityTag));
    }

    #[test]
    fn create_only_and_compare_and_set_hold_as_they_should() {
        let is_a = format!("\"{}\"", a());
        let create_only = Condition::parse([], ["*"]).unwrap();
        let exists = Condition::parse(["*"], []).unwrap();
        let compare = Condition::parse([is_a.as_str()], []).unwrap();
        let other_than = Condition::parse([], [is_a.as_str()]).unwrap();
        let cases = [
            (&create_only, [true, false, false]),
            (&exists, [false, true, true]),
            (&compare, [false, true, false]),
            (&other_than, [true, false, true]),
        ];
        for (condition, expected) in cases {
            assert_eq!(
                [None, Some(&a()), Some(&b())].map(|now| condition.holds(now)),
                expected,
                "{condition:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(header in "[W/\"*, a]{0,12}|\\PC{0,20}") {
            let _ = Condition::parse([header.as_str()], [header.as_str()]);
        }

        #[test]
        fn every_listed_digest_is_found(contents in prop::collection::vec("[a-z]{0,3}", 1..6), gap in "[ \t]{0,2},[ ,]{0,2}") {
            let digests: Vec<_> = contents.iter().map(|content| Digest::sha256(content.as_bytes())).collect();
            let header = digests.iter().map(|digest| format!("\"{digest}\"")).collect::<Vec<_>>().join(&gap);
            let read = Condition::parse([], [header.as_str()]).unwrap();
            prop_assert_eq!(read.if_none_match, Some(EtagSet::Digests(digests)));
        }
    }
}
