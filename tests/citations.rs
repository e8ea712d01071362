//! Checks that citations lead somewhere: pages and headings of `docs/` that code and documents cite, and links
//! between the project's Markdown files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Where citations are looked for, besides the Markdown files of the root.
const FOLDERS: [&str; 6] = ["src", "tests", "benches", "docs", "scripts", "config"];

/// Pages that were never part of the project, by their names without the ending.
const OUTSIDE: [&str; 11] = [
    "JOURNAL",
    "DESIGN",
    "HELM",
    "RELIABILITY",
    "BENCHMARKS",
    "PROTOCOL",
    "STYLE",
    "DEPENDENCIES",
    "ACCESS",
    "LIFECYCLE",
    "TOOLS",
];

/// Texts by their paths from the root of the project, with `/`.
type Texts = BTreeMap<String, String>;

#[test]
fn every_citation_and_link_resolves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = texts(root);
    let pages = texts.keys().filter(|path| path.starts_with("docs/internals/")).count();
    assert!(pages >= 5, "the documents are found");
    let mut faults = Vec::new();
    for (path, text) in &texts {
        for (number, line) in (1..).zip(text.lines()) {
            let found = citations(line).into_iter().filter_map(|cited| fault_of(&texts, cited));
            faults.extend(found.chain(outside(line)).map(|fault| format!("{path}:{number}: {fault}")));
        }
        if path.ends_with(".md") {
            let exists = |target: &str| texts.contains_key(target) || root.join(target).exists();
            faults.extend(broken_links(&texts, path, exists));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The texts of the project. What is not UTF-8 cites nothing.
fn texts(root: &Path) -> Texts {
    let mut texts = Texts::new();
    for entry in fs::read_dir(root).expect("the root can be read") {
        let name = entry.expect("an entry").file_name().into_string().unwrap_or_default();
        if name.ends_with(".md") {
            read(root, &name, &mut texts);
        }
    }
    FOLDERS.iter().for_each(|folder| read(root, folder, &mut texts));
    texts
}

fn read(root: &Path, path: &str, texts: &mut Texts) {
    let full = root.join(path);
    if full.is_dir() {
        for entry in fs::read_dir(&full).expect("a folder can be read") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
            read(root, &format!("{path}/{name}"), texts);
        }
    } else if let Ok(text) = fs::read_to_string(&full) {
        texts.insert(path.to_owned(), text);
    }
}

/// The pages of `docs/` that a line cites, each with its anchor.
fn citations(line: &str) -> Vec<(&str, Option<&str>)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("docs/") {
        // `../docs/` and `https://host/docs/` are links, and `other-docs/` is another folder.
        let is_inside = |before: char| before.is_alphanumeric() || "/._-".contains(before);
        if line[..at].chars().next_back().is_some_and(is_inside) {
            continue;
        }
        let rest = &line[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c));
        let (path, after) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(stem) = path.trim_end_matches('.').strip_suffix(".md") else { continue };
        let anchor = after.strip_prefix('#').map(|anchor| {
            let end = anchor.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            &anchor[..end.unwrap_or(anchor.len())]
        });
        found.push((&rest[..stem.len() + ".md".len()], anchor));
    }
    found
}

/// What is wrong with a citation, if anything.
fn fault_of(texts: &Texts, (page, anchor): (&str, Option<&str>)) -> Option<String> {
    let Some(text) = texts.get(page) else { return Some(format!("there is no page {page}")) };
    let anchor = anchor?;
    (!slugs(text).contains(anchor)).then(|| format!("{page} has no heading for #{anchor}"))
}

/// The pages outside of the project that a line cites.
fn outside(line: &str) -> Option<String> {
    let cited = OUTSIDE.iter().map(|name| format!("{name}.md")).find(|name| line.contains(name.as_str()))?;
    Some(format!("{cited} is not a page of the project"))
}

/// The links of a Markdown page that lead nowhere.
fn broken_links(texts: &Texts, path: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let text = &texts[path];
    let mut faults = Vec::new();
    for (number, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = match target.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (target, None),
        };
        let page = if file.is_empty() { Some(path.to_owned()) } else { resolve(path, file) };
        let fault = match page {
            Some(page) if page.ends_with(".md") && exists(&page) => fault_of(texts, (&page, anchor)),
            Some(page) if exists(&page) => None,
            _ => Some("it leads to no file".to_owned()),
        };
        faults.extend(fault.map(|fault| format!("{path}:{number}: link {target}: {fault}")));
    }
    faults
}

/// The path of `file`, as the page `from` names it, from the root of the project; none outside of that.
fn resolve(from: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The targets of inline links, with the numbers of their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            // Between backticks it is code. A link whose text is code is none: its bracket is behind them.
            if line[..at].matches('`').count() % 2 == 0 {
                let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
                found.push((number, target));
            }
        }
    }
    found
}

/// The lines of a Markdown page that are not in a block of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !is_fence && !in_code
    })
}

/// The anchors of a Markdown page, as GitHub makes them.
fn slugs(text: &str) -> BTreeSet<String> {
    let mut slugs = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if (1..=6).contains(&level) && title.starts_with(' ') {
            let slug = slug(title.trim());
            let repeated = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone()).chain(repeated).find(|slug| !slugs.contains(slug));
            slugs.extend(free);
        }
    }
    slugs
}

/// The anchor of one heading: lower case, without punctuation, with hyphens for spaces.
fn slug(title: &str) -> String {
    let kept = without_targets(title).to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A heading with its links replaced by their texts.
fn without_targets(title: &str) -> String {
    let mut kept = String::new();
    let mut rest = title;
    while let Some((before, after)) = rest.split_once("](") {
        kept.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    kept + rest
}

#[test]
fn slugs_are_those_of_github() {
    let cases = [
        ("Keys", "keys"),
        ("Part B: limits and choices", "part-b-limits-and-choices"),
        ("A1. Registry servers", "a1-registry-servers"),
        ("`layout` (the object)", "layout-the-object"),
        ("What it *is*, & why", "what-it-is--why"),
        ("snake_case and kebab-case", "snake_case-and-kebab-case"),
        ("See [the page](other.md#x) now", "see-the-page-now"),
        ("Größe", "größe"),
    ];
    for (title, expected) in cases {
        assert_eq!(slug(title), expected);
    }
    let page = "# One\n\ntext\n```\n# code\n```\n## Two\n## One\n#hash\n####### seven\n";
    assert_eq!(slugs(page), ["one", "one-1", "two"].map(str::to_owned).into());
}

#[test]
fn citations_are_found_in_any_text() {
    // Put together here, so that this file cites nothing that does not exist.
    let page = ["docs", "a", "b.md"].join("/");
    let cases = [
        (format!("//! See ({page})."), vec![(page.as_str(), None)]),
        (format!("`{page}#two-words`, {page}."), vec![(page.as_str(), Some("two-words")), (&page, None)]),
        (format!("{page}#one: and {page}#two."), vec![(page.as_str(), Some("one")), (&page, Some("two"))]),
        (format!("[x](../{page}) https://host/{page} my-{page}"), Vec::new()),
        ("docs/ and docs/openapi.json".to_owned(), Vec::new()),
    ];
    for (line, expected) in &cases {
        assert_eq!(&citations(line), expected, "{line}");
    }
}

#[test]
fn broken_citations_are_reported() {
    let page = ["docs", "a.md"].join("/");
    let absent = ["docs", "b.md"].join("/");
    let texts = Texts::from([(page.clone(), "# Title\n## A heading\n".to_owned())]);
    assert_eq!(fault_of(&texts, (&page, None)), None);
    assert_eq!(fault_of(&texts, (&page, Some("a-heading"))), None);
    assert!(fault_of(&texts, (&page, Some("another"))).is_some());
    assert!(fault_of(&texts, (&absent, None)).is_some());
    for name in OUTSIDE {
        assert!(outside(&format!("as {name}.md says")).is_some());
        assert_eq!(outside(&format!("as {name} says")), None);
    }
}

#[test]
fn broken_links_are_reported() {
    let text = "# Title\n[a](b/c.md) [b](b/c.md#part) [c](#title) [d](https://host/x.md) [`e`](b/)\n\
                ```\n[in code](nowhere.md)\n```\n`[code](nowhere.md)`\n\
                [f](b/c.md#no) [g](d.md) [h](../../x.md) [i](#no) [`j`](no.yaml)\n";
    let texts = Texts::from([
        ("pages/a.md".to_owned(), text.to_owned()),
        ("pages/b/c.md".to_owned(), "## Part\n".to_owned()),
    ]);
    let exists = |path: &str| texts.contains_key(path) || path == "pages/b";
    let faults = broken_links(&texts, "pages/a.md", exists);
    let broken: Vec<&str> = faults.iter().filter_map(|fault| fault.split(' ').nth(2)).collect();
    assert_eq!(broken, ["b/c.md#no:", "d.md:", "../../x.md:", "#no:", "no.yaml:"], "{faults:?}");
    assert_eq!(resolve("README.md", "pages/a.md"), Some("pages/a.md".to_owned()));
    assert_eq!(resolve("pages/b/c.md", "../a.md"), Some("pages/a.md".to_owned()));
    assert_eq!(resolve("README.md", "../a.md"), None);
}
