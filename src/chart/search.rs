//! Search: whether a chart has all the words that are looked for, and how well it fits.

use super::Metadata;

/// Longer than any question that people ask.
const MAX_BYTES: usize = 256;
const MAX_WORDS: usize = 16;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// In lower case.
    words: Vec<Box<str>>,
    /// The words with spaces between them.
    whole: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a search has at most {MAX_WORDS} words and {MAX_BYTES} bytes")]
pub struct InvalidTerms;

/// How well a chart fits, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relevance {
    Name,
    NameStart,
    NamePart,
    Keyword,
    Text,
}

/// What a search looks at of a chart, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searchable {
    name: Box<str>,
    keywords: Box<[Box<str>]>,
    /// All of it, a line for each part: no word spans two.
    text: Box<str>,
}

impl Terms {
    /// Reads words that spaces part; `+` parts them too, because forms write it for a space.
    ///
    /// # Errors
    /// When there is too much of them.
    pub fn parse(text: &str) -> Result<Self, InvalidTerms> {
        if text.len() > MAX_BYTES {
            return Err(InvalidTerms);
        }
        let text = text.to_lowercase();
        let words = text.split(|c: char| c == '+' || c.is_whitespace()).filter(|word| !word.is_empty());
        let words: Vec<Box<str>> = words.map(Box::from).collect();
        if words.len() > MAX_WORDS {
            return Err(InvalidTerms);
        }
        let whole = words.join(" ").into();
        Ok(Self { words, whole })
    }
}

impl Relevance {
    const ALL: [Self; 5] = [Self::Name, Self::NameStart, Self::NamePart, Self::Keyword, Self::Text];

    /// Its place, 0 for the best.
    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl Searchable {
    /// `metadata` is that of a release, as it is listed.
    pub fn new(name: &str, metadata: &str) -> Self {
        let metadata: Metadata = serde_json::from_str(metadata).unwrap_or_default();
        let maintainers = metadata.maintainers.iter().flat_map(|one| [&one.name, &one.email, &one.url]);
        let annotations = metadata.annotations.iter().flat_map(|(key, value)| [key, value]);
        let mut text = name.to_lowercase();
        let parts = metadata.description.iter().chain(&metadata.keywords);
        for part in parts.chain(maintainers.flatten()).chain(annotations) {
            text.push('\n');
            text.push_str(&part.to_lowercase());
        }
        let keywords = metadata.keywords.iter().map(|keyword| keyword.to_lowercase().into());
        Self { name: name.to_lowercase().into(), keywords: keywords.collect(), text: text.into() }
    }

    /// How well it fits; `None` if a word is missing. Everything fits no words.
    pub fn relevance(&self, terms: &Terms) -> Option<Relevance> {
        let all = |has: &dyn Fn(&str) -> bool| terms.words.iter().all(|word| has(word));
        if !all(&|word| self.text.contains(word)) {
            return None;
        }
        let in_name = |word: &str| self.name.contains(word);
        let keyword = |word: &str| self.keywords.iter().any(|keyword| **keyword == *word);
        Some(match &*terms.whole {
            "" => Relevance::Text,
            whole if *self.name == *whole => Relevance::Name,
            whole if self.name.starts_with(whole) => Relevance::NameStart,
            _ if all(&in_name) => Relevance::NamePart,
            whole if keyword(whole) || all(&|word| keyword(word) || in_name(word)) => Relevance::Keyword,
            _ => Relevance::Text,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn chart() -> Searchable {
        let metadata = json!({
            "name": "ingress-nginx", "version": "1.0.0", "description": "Routes HTTP\nto Services",
            "keywords": ["Proxy", "load balancer"], "icon": "https://icons.example/secretword.svg",
            "maintainers": [{"name": "Äda", "email": "ada@example.org"}, {"url": "https://ada.example"}],
            "annotations": {"example.org/tier": "Edge"},
        });
        Searchable::new("ingress-nginx", &metadata.to_string())
    }

    #[test]
    fn the_better_a_chart_fits_the_earlier_it_comes() {
        use Relevance::*;
        let cases = [
            ("ingress-nginx", Some(Name)),
            ("  INGRESS-nginx ", Some(Name)),
            ("ingress", Some(NameStart)),
            ("nginx", Some(NamePart)),
            ("nginx ingress", Some(NamePart)),
            ("ingress+nginx", Some(NamePart)),
            ("proxy", Some(Keyword)),
            ("load balancer", Some(Keyword)),
            ("nginx proxy", Some(Keyword)),
            ("prox", Some(Text)),
            ("http services", Some(Text)),
            ("äda", Some(Text)),
            ("ÄDA edge", Some(Text)),
            ("example.org/tier", Some(Text)),
            ("ada.example", Some(Text)),
            ("", Some(Text)),
            (" + ", Some(Text)),
            ("nginx apache", None),
            ("secretword", None),
            ("1.0.0", None),
            ("balancer ada@example.org%", None),
        ];
        for (text, expected) in cases {
            let terms = Terms::parse(text).unwrap();
            assert_eq!(chart().relevance(&terms), expected, "{text:?}");
        }
    }

    #[test]
    fn a_search_is_bounded() {
        assert!(Terms::parse(&"x".repeat(256)).is_ok() && Terms::parse(&"a ".repeat(16)).is_ok());
        assert_eq!(Terms::parse(&"x".repeat(257)), Err(InvalidTerms));
        assert_eq!(Terms::parse(&"a ".repeat(17)), Err(InvalidTerms));
    }

    #[test]
    fn a_relevance_is_named_by_its_number() {
        for (number, relevance) in (0u8..).zip(Relevance::ALL) {
            assert_eq!((relevance.number(), Relevance::of_number(number)), (number, Some(relevance)));
        }
        assert_eq!(Relevance::of_number(5), None);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_from_a_chart_finds_it(from in 0usize..60, length in 1usize..20) {
            let chart = chart();
            let word: String = chart.text.chars().skip(from).take(length).collect();
            prop_assert!(chart.relevance(&Terms::parse(&word).unwrap()).is_some());
        }
    }
}
