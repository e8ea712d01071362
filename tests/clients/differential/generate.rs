//! Chart.yaml texts and archives, made of a seed: all notations that YAML has for a value, and headers that archives of
//! the field have.

use super::super::super::charts::writer;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn text(&mut self, alphabet: &str, longest: usize) -> String {
        let characters: Vec<char> = alphabet.chars().collect();
        (0..=self.below(longest)).map(|_| self.pick(&characters)).collect()
    }
}

const WORDS: [&str; 44] = [
    "yes",
    "No",
    "nO",
    "tRue",
    "TRUE",
    "on",
    "Off",
    "oFF",
    "y",
    "N",
    "~",
    "null",
    "NULL",
    "nUll",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    ".iNf",
    "inf",
    "NaN",
    "1e38",
    "3.5e38",
    "-1e39",
    "1e308",
    "1e309",
    "0x1F",
    "0o17",
    "0b-11",
    "-0b11",
    "089",
    "1_000.5",
    "18446744073709551616",
    "9223372036854775808",
    "2001-01-01",
    "2001-1-1T1:2:3Z",
    "12:30:45",
    "<<",
    "=",
    "",
    "!",
    "!!str 1.10",
    "!!float 1",
];

const ODD: [char; 21] = [
    '\u{85}',
    '\u{2028}',
    '\u{2029}',
    '\u{a0}',
    '\u{feff}',
    '\u{200b}',
    '\u{7}',
    '\u{7f}',
    '\u{ad}',
    '\u{2ebf0}',
    '\u{1fae9}',
    '\u{1c89}',
    '\u{1f600}',
    '\u{e000}',
    '\u{378}',
    '\u{323b0}',
    '\u{11f00}',
    '\u{a7da}',
    'é',
    '\t',
    '\u{fffe}',
];

const INDICATORS: &str = "\t #:&*!|>'\"%@`{}[],?-\n\\~<=.0ae\r";

/// A value on its line, or with lines of its own that are indented by `indent`.
fn value(random: &mut Random, indent: usize) -> String {
    let margin = " ".repeat(indent + 1);
    match random.below(12) {
        0 | 1 => random.pick(&WORDS).to_owned(),
        2 => format!("{}e{}", random.below(100), random.below(10_000)),
        3 => random.text("0123456789_.eE+-", 8),
        4 => random.text("0123456789abcdefxobXOB_+-", 8),
        5 => format!("\"{}\"", escaped(random)),
        6 => format!("'{}'", words(random).replace('\'', "''")),
        7 => format!(
            "{}{}\n{margin}{}\n{margin} {}\n\n{margin}{}",
            random.pick(&["|", ">", "|-", ">+", "|2", ">-"]),
            random.pick(&["", " # a", "\t"]),
            words(random),
            words(random),
            words(random)
        ),
        8 => format!("{}\n{margin}{}", words(random), words(random)),
        9 => format!("&a{} {}", random.below(3), words(random)),
        10 if random.one_in(6) => format!("*a{}", random.below(3)),
        _ => words(random),
    }
}

fn words(random: &mut Random) -> String {
    let mut text = random.text("abcxyz 019,.;/é世", 12);
    if random.one_in(6) {
        text.push(random.pick(&ODD));
        text.push_str(&random.text("ab c", 3));
    }
    if random.one_in(40) {
        text.push_str(random.pick(&[" # comment", "\t# comment", "#", ": ", " :a"]));
    }
    text
}

fn escaped(random: &mut Random) -> String {
    let escapes = [
        "\\n",
        "\\t",
        "\\x41",
        "\\x80",
        "\\u00e9",
        "\\uD83D\\uDD25",
        "\\U0001F525",
        "\\/",
        "\\\n  ",
        "\\0",
        "\\e",
        "\\N",
        "\\L",
        "\\_",
        "\n  ",
        "\n\n  ",
        " ",
    ];
    let mut text = String::new();
    for _ in 0..random.below(4) {
        text.push_str(&random.text("abc 1", 4));
        text.push_str(random.pick(&escapes));
    }
    text
}

/// What stands in Chart.yaml behind a name and a version.
pub fn chart_yaml(random: &mut Random) -> String {
    let mut text = String::from(random.pick(&[
        "apiVersion: v2\nname: app\nversion: 1.2.3\n",
        "apiVersion: v2\r\nname: app\r\nversion: 1.2.3\r\n",
        "---\nname: app\nversion: 1.2.3+b.1\napiVersion: v1\n",
        "# comment\nversion: 1.20\nname: app\nx: &a0 {a: 1, b: two}\n",
    ]));
    for _ in 0..1 + random.below(5) {
        let field = random.pick(&[
            "appVersion",
            "description",
            "home",
            "icon",
            "kubeVersion",
            "condition",
            "tags",
            "Home",
            "x-own",
            "iCon",
            "type",
            "deprecated",
        ]);
        if text.contains(&format!("\n{field}:")) {
            continue;
        }
        text.push_str(&match field {
            "type" => format!("type: {}\n", random.pick(&["library", "application", "''", "~"])),
            "deprecated" => format!("deprecated: {}\n", random.pick(&["yes", "tRue", "1", "off", "'true'"])),
            _ => format!("{field}: {}\n", value(random, 0)),
        });
    }
    if random.one_in(3) {
        let field = random.pick(&["keywords", "sources"]);
        text.push_str(&format!("{field}:\n- {}\n- {}\n", value(random, 1), value(random, 1)));
    }
    if random.one_in(3) {
        text.push_str(
            &format!("keywords: [{}, {}]\n", random.pick(&WORDS), words(random)).replace("\nkeywords", "\nx"),
        );
    }
    if random.one_in(3) {
        text.push_str(&format!(
            "annotations:\n  a: {}\n  {}: {}\n",
            value(random, 2),
            random.pick(&["b", "1.50", "yes", "\"c d\"", "'<<'", "0x10", "<<", "? e"]),
            value(random, 2)
        ));
    }
    if random.one_in(3) {
        text.push_str(&format!(
            "maintainers:\n- name: {}\n  Email: {}\n- {{name: {}, url: {}}}\n",
            value(random, 2),
            value(random, 2),
            random.pick(&WORDS),
            random.pick(&WORDS)
        ));
    }
    if random.one_in(4) {
        text.push_str(&format!(
            "dependencies:\n- &a1\n  name: db\n  version: {}\n  repository: {}\n- {{<<: *a1, alias: {}, \
            import-values: [a, {{child: x, parent: {}}}, {}], tags: [{}]}}\n",
            random.pick(&["1.x", "1.20", "1e3"]),
            value(random, 2),
            random.pick(&["c", "1", "'d_e'"]),
            random.pick(&["y", "1", "z"]),
            random.pick(&["1", "1e21", "b", "0.1"]),
            random.pick(&WORDS)
        ));
    }
    if random.one_in(4) {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        let inserted = random.text(INDICATORS, 1);
        text.insert_str(random.pick(&places), &inserted);
    }
    text
}

/// An archive of a chart as some writer of tar may have made it.
pub fn archive(random: &mut Random, chart_yaml: &str) -> Vec<u8> {
    let folder = random.pick(&["app", "app", "app", "other", "."]);
    let magic: &[u8] =
        random.pick(&[&b"ustar\x0000"[..], b"ustar  \0", b"ustar\0 1", b"\0\0\0\0\0\0\0\0", b"whatever"]);
    let mark = random.pick(&["", "", "", "\u{feff}"]);
    let write = |name: &str, content: &str| {
        writer::entry(format!("{folder}/{name}").as_bytes(), b'0', content.as_bytes(), |header| {
            header[257..265].copy_from_slice(magic);
        })
    };
    let db = "name: db\nversion: 1.0.0\n";
    let mut entries =
        vec![write("Chart.yaml", &format!("{mark}{chart_yaml}")), write("templates/a.yaml", "a: b\n")];
    for _ in 0..random.below(3) {
        entries.push(match random.below(9) {
            0 => write("charts/db/Chart.yaml", db),
            1 => write("charts/db/Chart.yaml", "name: db\nversion: 2.0.0\n"),
            2 => write("charts/db.tgz", ""),
            3 => write("values.yaml", "a: 1\n"),
            4 => write("templates/a.yaml", "again: 1\n"),
            5 => writer::extended(b'x', &[("mtime", "1.5")]),
            6 => writer::entry(format!("{folder}/templates/").as_bytes(), b'5', b"", |_| {}),
            7 => write("charts/_x/y", ""),
            _ => writer::extended(b'g', &[("comment", "abc")]),
        });
    }
    if random.one_in(2) {
        entries.rotate_left(1);
    }
    writer::package(&entries)
}
