//! Odd and hostile packages, each with its verdict.

use super::writer::{CHART_YAML, chart_of, entry, extended, file, gzip, long_name, package};

pub enum Verdict {
    /// What the message has to say.
    Refused(&'static str),
    /// What the warnings together have to say, in order.
    Accepted(&'static [&'static str]),
}

use Verdict::{Accepted, Refused};

pub type Case = (&'static str, Vec<u8>, Verdict);

/// All of them.
pub fn cases() -> Vec<Case> {
    [compression(), names(), kinds(), headers(), sizes(), chart_yaml(), subcharts(), odd()]
        .into_iter()
        .flatten()
        .collect()
}

fn chart() -> Vec<u8> {
    file("app/Chart.yaml", CHART_YAML)
}

fn tar() -> Vec<u8> {
    [chart(), vec![0; 1024]].concat()
}

fn compression() -> Vec<Case> {
    let good = gzip(&tar());
    let cut = good[..good.len() / 2].to_vec();
    let mut wrong_sum = good.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let half = tar().len() / 2;
    let members = |count: usize| vec![gzip(&[]); count].concat();
    vec![
        ("empty", vec![], Refused("not compressed with gzip")),
        ("a zip", b"PK\x03\x04".to_vec(), Refused("not compressed with gzip")),
        ("a tar", tar(), Refused("not compressed with gzip")),
        ("a magic number alone", vec![0x1f, 0x8b], Refused("damaged")),
        ("another method", vec![0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0], Refused("damaged")),
        ("cut", cut, Refused("damaged")),
        ("a wrong sum", wrong_sum, Refused("damaged")),
        ("a damaged second member", [&good[..], &[0x1f, 0x8b, 0]].concat(), Refused("damaged")),
        ("5,000 empty members", [members(5_000), good.clone()].concat(), Refused("gzip members")),
        ("two members", [gzip(&tar()[..half]), gzip(&tar()[half..])].concat(), Accepted(&[])),
        ("zeros behind it", [&good[..], &[0; 100]].concat(), Accepted(&["behind the end"])),
        ("a text behind it", [&good[..], b"text"].concat(), Accepted(&["behind the end"])),
        ("a package in gzip twice", gzip(&good), Refused("ends within an entry")),
    ]
}

fn names() -> Vec<Case> {
    let with = |name: &str| chart_of(&[file(name, "x")]);
    let long = "a".repeat(1_100);
    let long_name_of = |name: &str| chart_of(&[[long_name(name), file("app/short", "x")].concat()]);
    vec![
        ("an absolute name", with("/etc/passwd"), Refused("absolute")),
        ("an absolute name inside", with("app//etc/passwd"), Refused("absolute")),
        ("a parent first", with("../app/x"), Refused("`..`")),
        ("a parent inside", with("app/templates/../../../x"), Refused("`..`")),
        ("dots before a name", with("app/..x"), Refused("`..`")),
        ("a drive", with("app/C:/x"), Refused("drive")),
        ("a drive with backslashes", with("app\\C:\\x"), Refused("drive")),
        ("a parent with backslashes", with("app\\..\\x"), Refused("`..`")),
        ("both separators", with("app/..\\x"), Refused("both")),
        ("no folder", with("x"), Refused("in no folder")),
        ("an escape sequence", with("app/\u{1b}[2J"), Refused("control character")),
        ("no UTF-8", chart_of(&[entry(b"app/\xff", b'0', b"", |_| {})]), Refused("UTF-8")),
        ("no name", chart_of(&[entry(b"", b'0', b"", |_| {})]), Refused("no name")),
        ("a long name of 1,100 bytes", long_name_of(&format!("app/{long}")), Refused("longer than")),
        ("a parent in a long name", long_name_of("app/../../x"), Refused("`..`")),
        ("a zero in a long name", long_name_of("app/x\0/../y"), Refused("zero byte")),
        (
            "a parent in an extended header",
            chart_of(&[extended(b'x', &[("path", "../../x")]), file("app/x", "x")]),
            Refused("`..`"),
        ),
        (
            "a parent in a prefix",
            chart_of(&[entry(b"x", b'0', b"", |header| header[345..347].copy_from_slice(b".."))]),
            Refused("`..`"),
        ),
        ("the same file twice", chart_of(&[file("app/x", "1"), file("app/x", "2")]), Refused("twice")),
        ("Chart.yaml twice", chart_of(&[chart()]), Refused("twice")),
        ("Chart.yaml twice by a detour", chart_of(&[file("app/./Chart.yaml", "x")]), Refused("twice")),
        ("Chart.yaml twice in folders", chart_of(&[file("b/Chart.yaml", "x")]), Refused("twice")),
    ]
}

fn kinds() -> Vec<Case> {
    let of = |kind: u8| chart_of(&[entry(b"app/x", kind, b"", |_| {})]);
    let link = entry(b"app/Chart.yaml", b'2', b"", |header| header[157..168].copy_from_slice(b"/etc/passwd"));
    vec![
        ("a hard link", of(b'1'), Refused("hard link")),
        ("a symbolic link", package(&[link]), Refused("symbolic link")),
        ("a character device", of(b'3'), Refused("a device")),
        ("a block device", of(b'4'), Refused("a device")),
        ("a pipe", of(b'6'), Refused("named pipe")),
        ("a contiguous file", of(b'7'), Refused("readers take differently")),
        ("a sparse file", of(b'S'), Refused("sparse")),
        ("a long link", of(b'K'), Refused("readers take differently")),
        ("a volume", of(b'V'), Refused("readers take differently")),
        ("an unknown kind", of(b'!'), Refused("readers take differently")),
        (
            "a sparse file in an extended header",
            chart_of(&[extended(b'x', &[("GNU.sparse.major", "1")]), file("app/x", "x")]),
            Refused("sparse"),
        ),
        ("a file like a directory", chart_of(&[file("app/x/", "")]), Refused("like that of a directory")),
        (
            "a directory with content",
            chart_of(&[entry(b"app/x", b'5', b"x", |_| {})]),
            Refused("directory has"),
        ),
        (
            "a directory by its mode",
            package(&[entry(b"app/Chart.yaml", b'0', CHART_YAML.as_bytes(), |header| {
                header[100..108].copy_from_slice(b"0040755\0");
            })]),
            Refused("mode"),
        ),
    ]
}

fn headers() -> Vec<Case> {
    let edited = |edit: fn(&mut [u8; 512])| chart_of(&[entry(b"app/x", b'0', b"12345", edit)]);
    let sized = |size: &'static str| {
        let header = move |header: &mut [u8; 512]| header[124..136].copy_from_slice(size.as_bytes());
        chart_of(&[entry(b"app/x", b'0', b"12345", header)])
    };
    let mut wrong_sum = [chart(), file("app/x", ""), vec![0; 1024]].concat();
    wrong_sum[1024] ^= 1;
    let behind = |records: &[(&str, &str)]| chart_of(&[extended(b'x', records), file("app/x", "12345")]);
    let name = || long_name("app/y");
    let path = || extended(b'x', &[("path", "app/z")]);
    vec![
        ("a wrong checksum", gzip(&wrong_sum), Refused("checksum")),
        (
            "a front of a name in no format",
            edited(|header| {
                header[257..265].copy_from_slice(b"whatever");
                header[345] = b'a';
            }),
            Refused("format"),
        ),
        (
            "a front of a name in another version",
            edited(|header| {
                header[263..265].copy_from_slice(b"11");
                header[345] = b'a';
            }),
            Refused("format"),
        ),
        (
            "a long name in no format",
            chart_of(&[
                entry(b"././@LongLink", b'L', b"app/y\0", |header| header[257..265].fill(0)),
                file("app/x", "12345"),
            ]),
            Refused("format"),
        ),
        ("a device of letters", edited(|header| header[329] = b'x'), Refused("device number")),
        (
            "old GNU fields",
            edited(|header| {
                header[257..265].copy_from_slice(b"ustar  \0");
                header[345] = b'1';
            }),
            Refused("format"),
        ),
        (
            "a front of a name in star's format",
            edited(|header| {
                header[345] = b'a';
                header[508..].copy_from_slice(b"tar\0");
            }),
            Refused("format"),
        ),
        ("a size in binary", sized("\u{1}\0\0\0\0\0\0\0\0\0\0\u{5}"), Refused("octal")),
        ("a negative size", sized("-0000000005\0"), Refused("octal")),
        ("a size with a zero before it", sized("\u{0}00000000005"), Refused("octal")),
        ("a size with a text behind it", sized("000000005 9\0"), Refused("octal")),
        ("a mode of letters", edited(|header| header[100..104].copy_from_slice(b"rwxr")), Refused("mode")),
        ("a size too large", behind(&[("size", "6")]), Refused("two sizes")),
        ("a size too small", behind(&[("size", "0")]), Refused("two sizes")),
        ("two sizes", behind(&[("size", "5"), ("size", "5")]), Refused("two sizes")),
        ("a size of letters", behind(&[("size", "+5")]), Refused("extended header")),
        ("two paths", behind(&[("path", "app/y"), ("path", "app/z")]), Refused("two long names")),
        ("an empty path", behind(&[("path", "")]), Refused("no name")),
        ("a line in a path", behind(&[("path", "app/y\n9 a=b")]), Refused("extended header")),
        (
            "a damaged record",
            chart_of(&[entry(b"pax", b'x', b"99 path=x\n", |_| {}), file("app/x", "")]),
            Refused("extended header"),
        ),
        ("two extended headers", chart_of(&[path(), path(), file("app/x", "")]), Refused("of its own")),
        ("two names of two kinds", chart_of(&[name(), path(), file("app/x", "")]), Refused("two long names")),
        ("two long names", chart_of(&[name(), name(), file("app/x", "")]), Refused("two long names")),
        ("a name of nothing", chart_of(&[name()]), Refused("of its own")),
        (
            "a global header between",
            chart_of(&[path(), extended(b'g', &[]), file("app/x", "")]),
            Refused("of its own"),
        ),
        (
            "a global path",
            chart_of(&[extended(b'g', &[("path", "app/y")]), file("app/x", "")]),
            Refused("global"),
        ),
        (
            "a global size",
            chart_of(&[extended(b'g', &[("size", "1")]), file("app/x", "")]),
            Refused("global"),
        ),
        (
            "a huge extended header",
            chart_of(&[entry(b"pax", b'x', &[b'0'; 300_000], |_| {})]),
            Refused("too long"),
        ),
        (
            "a zero block between",
            gzip(&[chart(), vec![0; 512], file("app/x", ""), vec![0; 1024]].concat()),
            Refused("zeros"),
        ),
        ("a cut file", gzip(&chart()[..520]), Refused("within an entry")),
        ("a cut header", gzip(&[chart(), vec![1; 100]].concat()), Refused("within an entry")),
        ("noise", gzip(&[7; 4096]), Refused("checksum")),
    ]
}

fn sizes() -> Vec<Case> {
    let claims = |size: &'static str| {
        let header = move |header: &mut [u8; 512]| header[124..136].copy_from_slice(size.as_bytes());
        chart_of(&[entry(b"app/x", b'0', b"", header)])
    };
    let five = vec![0; 5 << 20];
    let bomb: Vec<_> = (0..21).map(|n| file(&format!("app/{n}"), &five)).collect();
    let many: Vec<_> = (0..10_000).map(|n| file(&format!("app/{n}"), "")).collect();
    let folders = vec![entry(b"app/", b'5', b"", |_| {}); 10_000];
    let zeros_behind = gzip(&[tar(), vec![0; 150 << 20]].concat());
    let nested: Vec<_> = (0..2)
        .map(|n| {
            let files: Vec<_> = (0..11).map(|n| file(&format!("db/{n}"), &five)).collect();
            file(&format!("app/charts/{n}.tgz"), chart_of(&files))
        })
        .collect();
    vec![
        ("8 GiB in a header", claims("77777777777\0"), Refused("more than the 5242880")),
        ("a file of 5 MiB and a byte", claims("00024000001\0"), Refused("more than the 5242880")),
        ("a file that is not there", claims("00024000000\0"), Refused("within an entry")),
        ("a file of 5 MiB", chart_of(&[file("app/x", &five)]), Accepted(&[])),
        ("105 MiB of zeros", chart_of(&bomb), Refused("more bytes than are allowed")),
        ("150 MiB behind the end", zeros_behind, Refused("more bytes than are allowed")),
        ("110 MiB in two packages inside", chart_of(&nested), Refused("more bytes than are allowed")),
        ("10,001 files", chart_of(&many), Refused("more files and folders")),
        ("10,001 folders", chart_of(&folders), Refused("more files and folders")),
    ]
}

fn chart_yaml() -> Vec<Case> {
    let of = |yaml: &str| package(&[file("app/Chart.yaml", yaml)]);
    let more = |yaml: &str| of(&format!("{CHART_YAML}{yaml}"));
    let requirements = |yaml: &str| chart_of(&[file("app/requirements.yaml", yaml)]);
    let level = |n: u32| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
    let bomb: String = (1..10).map(level).collect();
    vec![
        ("no file", package(&[]), Refused("no file")),
        ("no Chart.yaml", package(&[file("app/values.yaml", "")]), Refused("no Chart.yaml")),
        ("Chart.yaml outside", package(&[file("Chart.yaml", CHART_YAML)]), Refused("in no folder")),
        ("Chart.yaml too deep", package(&[file("./app/Chart.yaml", CHART_YAML)]), Refused("no Chart.yaml")),
        ("chart.yaml", package(&[file("app/chart.yaml", CHART_YAML)]), Refused("no Chart.yaml")),
        ("an empty Chart.yaml", of(""), Refused("no name")),
        ("no YAML", of("\t{"), Refused("YAML is refused")),
        ("a list", of("- a"), Refused("no mapping")),
        ("a key twice", more("version: 6.6.6"), Refused("duplicate")),
        ("a key twice but for its case", more("Version: 6.6.6"), Refused("case")),
        ("a second document", more("---\nversion: 6.6.6"), Refused("second document")),
        ("an alias bomb", more(&format!("a0: &a0 [x]\n{bomb}")), Refused("aliases")),
        ("deep lists", more(&format!("a: {}", "[".repeat(100_000))), Refused("YAML is refused")),
        (
            "many keys",
            more(&(0..25_000).map(|n| format!("k{n}: 1\n")).collect::<String>()),
            Refused("keys and values"),
        ),
        ("a long Chart.yaml", more(&format!("# {}", "x".repeat(300_000))), Refused("more than 262144 bytes")),
        ("no version", of("name: app"), Refused("version")),
        ("no version at all", of("name: app\nversion: latest"), Refused("\"latest\"")),
        ("the name `..`", of("name: ..\nversion: 1.0.0"), Refused("no name of a chart")),
        ("a name with a folder", of("name: a/b\nversion: 1.0.0"), Refused("no name of a chart")),
        ("a name with a backslash", of("name: a\\b\nversion: 1.0.0"), Refused("no name of a chart")),
        ("another type", more("type: plugin"), Refused("type")),
        ("a null maintainer", more("maintainers: [~]"), Refused("an item of `maintainers` is no mapping")),
        ("a dependency twice", more("dependencies: [{name: a}, {name: b, alias: a}]"), Refused("alias")),
        ("an alias with a dot", more("dependencies: [{name: a, alias: b.c}]"), Refused("alias")),
        ("a version in requirements.yaml", requirements("version: 6.6.6"), Refused("`version`")),
        ("a bomb in requirements.yaml", requirements(&format!("a0: &a0 [x]\n{bomb}")), Refused("aliases")),
    ]
}

fn subcharts() -> Vec<Case> {
    let db = "name: db\nversion: 1.0.0\n";
    let packed = |entries: &[Vec<u8>]| file("app/charts/db.tgz", package(entries));
    let link = entry(b"db/x", b'2', b"", |_| {});
    let mut deep = package(&[file("a/Chart.yaml", db)]);
    for _ in 0..20 {
        deep = package(&[file("a/Chart.yaml", db), file("a/charts/a.tgz", deep)]);
    }
    let name = format!("app/{}Chart.yaml", "charts/a/".repeat(17));
    let deep_folders = [long_name(&name), file("app/short", db)].concat();
    vec![
        ("a folder of a chart", chart_of(&[file("app/charts/db/Chart.yaml", db)]), Accepted(&[])),
        (
            "two dependencies of one name",
            chart_of(&[
                file("app/charts/db/Chart.yaml", db),
                file("app/charts/db/x", "1"),
                file("app/charts/db/Chart.yaml", "name: db\nversion: 2.0.0\n"),
                file("app/charts/db/x", "2"),
            ]),
            Accepted(&["\"charts/db/Chart.yaml\" twice"]),
        ),
        ("a package of a chart", chart_of(&[packed(&[file("db/Chart.yaml", db)])]), Accepted(&[])),
        (
            "a folder without Chart.yaml",
            chart_of(&[file("app/charts/db/x", "")]),
            Refused("\"charts/db\" inside"),
        ),
        ("a package without Chart.yaml", chart_of(&[packed(&[file("db/x", "")])]), Refused("charts/db.tgz")),
        ("no package", chart_of(&[file("app/charts/db.tgz", "x")]), Refused("not compressed")),
        (
            "a link in a package",
            chart_of(&[packed(&[file("db/Chart.yaml", db), link])]),
            Refused("symbolic link"),
        ),
        ("packages too deep", chart_of(&[file("app/charts/a.tgz", deep)]), Refused("deeper than the 16")),
        ("folders too deep", chart_of(&[deep_folders]), Refused("deeper than the 16")),
        (
            "a file among charts",
            chart_of(&[file("app/charts/README.md", "")]),
            Refused("what is in `charts/`"),
        ),
        (
            "a file below a package",
            chart_of(&[file("app/charts/a.tgz/x", "")]),
            Refused("what is in `charts/`"),
        ),
        (
            "files that Helm passes over",
            chart_of(&[
                file("app/charts/_x/y", ""),
                file("app/charts/.x.tgz", ""),
                file("app/charts/db.tgz.prov", ""),
            ]),
            Accepted(&[]),
        ),
    ]
}

fn odd() -> Vec<Case> {
    let mark = format!("\u{feff}{CHART_YAML}");
    let old = |header: &mut [u8; 512]| header[257..265].fill(0);
    let other_version = |header: &mut [u8; 512]| header[263..265].copy_from_slice(b" 1");
    let no_format = |header: &mut [u8; 512]| header[257..265].copy_from_slice(b"whatever");
    let star = |header: &mut [u8; 512]| header[508..].copy_from_slice(b"tar\0");
    let old_kind = |header: &mut [u8; 512]| header[156] = 0;
    vec![
        ("a mark before Chart.yaml", package(&[file("app/Chart.yaml", mark)]), Accepted(&[])),
        ("another version of ustar", chart_of(&[entry(b"app/x", b'0', b"x", other_version)]), Accepted(&[])),
        ("no format", chart_of(&[entry(b"app/x", b'0', b"x", no_format)]), Accepted(&[])),
        ("star's format", chart_of(&[entry(b"app/x", b'0', b"x", star)]), Accepted(&[])),
        ("a header of 1979", chart_of(&[entry(b"app/x", b'0', b"x", old)]), Accepted(&[])),
        (
            "a kind of 1979",
            chart_of(&[entry(b"app/x", b'0', b"x", old_kind), entry(b"app/y/", b'0', b"", old_kind)]),
            Accepted(&[]),
        ),
        ("directories", chart_of(&[entry(b"app/x/", b'5', b"", |_| {})]), Accepted(&[])),
        ("a comment of git", package(&[extended(b'g', &[("comment", "abc")]), chart()]), Accepted(&[])),
        (
            "a time in an extended header",
            chart_of(&[extended(b'x', &[("mtime", "1.5")]), file("app/x", "")]),
            Accepted(&[]),
        ),
        (
            "the size said twice alike",
            chart_of(&[extended(b'x', &[("size", "2")]), file("app/x", "ab")]),
            Accepted(&[]),
        ),
        (
            "a long name",
            chart_of(&[long_name(&format!("app/{}", "a".repeat(200))), file("app/a", "")]),
            Accepted(&[]),
        ),
        ("no end", gzip(&chart()), Accepted(&["two blocks of zeros"])),
        ("one block at the end", gzip(&[chart(), vec![0; 512]].concat()), Accepted(&[])),
        ("a text behind the end", gzip(&[tar(), b"text".to_vec()].concat()), Accepted(&["behind the end"])),
        ("another folder", package(&[file("b/Chart.yaml", CHART_YAML)]), Accepted(&["folder \"b\""])),
        ("the folder `.`", package(&[file("./Chart.yaml", CHART_YAML)]), Accepted(&["folder \".\""])),
        ("two folders", chart_of(&[file("b/x", "")]), Accepted(&["several folders"])),
        ("backslashes", package(&[file("app\\Chart.yaml", CHART_YAML)]), Accepted(&["have backslashes"])),
        ("a schema that is none", chart_of(&[file("app/values.schema.json", "{")]), Accepted(&["schema"])),
        (
            "apiVersion v3",
            package(&[file("app/Chart.yaml", "apiVersion: v3\nname: app\nversion: 1.2.3")]),
            Accepted(&["\"v3\""]),
        ),
        ("Chart.yaml last", package(&[file("app/x", ""), chart()]), Accepted(&[])),
    ]
}
