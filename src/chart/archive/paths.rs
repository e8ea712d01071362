//! Names of entries: where in the chart a file belongs, by the rules of Helm's reader and some of our own where readers
//! differ.

/// Longer than what file systems take.
const MAX_PATH: usize = 1_024;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it has a control character")]
    ControlCharacter,
    #[error("it is longer than {MAX_PATH} bytes")]
    TooLong,
    #[error("it is absolute: pack the folder of the chart by a relative name")]
    Absolute,
    #[error("it has `..`, or begins with it inside of the chart")]
    Parent,
    #[error("it names a drive")]
    Drive,
    #[error("it has both `/` and `\\`, which readers take for different files")]
    MixedSeparators,
    #[error("it is in no folder: all files of a chart are in one, named like the chart")]
    NoFolder,
}

/// A file of a chart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The first component, which is dropped.
    pub base: String,
    /// Inside of the chart, with `/`; never empty, never with an empty component, `.` or `..`.
    pub path: String,
    /// The name was written with `\`.
    pub backslashes: bool,
}

/// The place of a file called `name`.
pub(super) fn place(name: &[u8]) -> Result<Place, PathFault> {
    if name.len() > MAX_PATH {
        return Err(PathFault::TooLong);
    }
    let name = std::str::from_utf8(name).map_err(|_| PathFault::NotUtf8)?;
    if name.chars().any(char::is_control) {
        return Err(PathFault::ControlCharacter);
    }
    let backslashes = name.contains('\\');
    if backslashes && name.contains('/') {
        return Err(PathFault::MixedSeparators);
    }
    let name = name.replace('\\', "/");
    if name.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if name.split('/').any(|component| component == "..") {
        return Err(PathFault::Parent);
    }
    if is_drive(&name) {
        return Err(PathFault::Drive);
    }
    let (base, inside) = name.split_once('/').ok_or(PathFault::NoFolder)?;
    if inside.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    let components: Vec<&str> = inside.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let path = components.join("/");
    if path.is_empty() || base == "Chart.yaml" {
        return Err(PathFault::NoFolder);
    }
    // Helm compares the beginning of the name, not the first component.
    if path.starts_with("..") {
        return Err(PathFault::Parent);
    }
    if is_drive(&path) {
        return Err(PathFault::Drive);
    }
    Ok(Place { base: base.to_owned(), path, backslashes })
}

fn is_drive(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && bytes.next() == Some(b':') && {
        matches!(bytes.next(), None | Some(b'/'))
    }
}

/// What a file is to the chart whose folder it is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// A file of the chart itself, or of a folder in `charts/` that Helm passes over.
    Own,
    /// A file of the chart in the folder `chart`; `path` is inside of that.
    OfSubchart { chart: &'a str, path: &'a str, depth: u32 },
    /// The package of a chart.
    Package { depth: u32 },
    /// Helm cannot load the chart with it.
    Stray,
}

/// The role of the file at `path` of a chart.
pub(super) fn role(path: &str) -> Role<'_> {
    let mut role = Role::Own;
    let (mut start, mut depth) = (0, 0);
    while let Some(rest) = path[start..].strip_prefix("charts/") {
        let (name, inside) = rest.split_once('/').map_or((rest, None), |(name, inside)| (name, Some(inside)));
        if path.ends_with(".prov") || name.starts_with(['_', '.']) {
            return role;
        }
        depth += 1;
        match (inside, name.ends_with(".tgz")) {
            (None, true) => return Role::Package { depth },
            (None, false) | (Some(_), true) => return Role::Stray,
            (Some(inside), false) => {
                start = path.len() - inside.len();
                role = Role::OfSubchart { chart: &path[..start - 1], path: inside, depth };
            }
        }
    }
    role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_places() {
        let cases = [
            ("app/Chart.yaml", Ok("Chart.yaml")),
            ("app/a/b", Ok("a/b")),
            ("app/./a//b/.", Ok("a/b")),
            ("./Chart.yaml", Ok("Chart.yaml")),
            ("app\\templates\\a.yaml", Ok("templates/a.yaml")),
            ("app/مرحبا", Ok("مرحبا")),
            ("app/a..b", Ok("a..b")),
            ("app/a:b", Ok("a:b")),
            ("/app/Chart.yaml", Err(PathFault::Absolute)),
            ("app//etc/passwd", Err(PathFault::Absolute)),
            ("\\app\\a", Err(PathFault::Absolute)),
            ("../app/a", Err(PathFault::Parent)),
            ("app/../a", Err(PathFault::Parent)),
            ("app/a/..", Err(PathFault::Parent)),
            ("app/..a", Err(PathFault::Parent)),
            ("app\\..\\a", Err(PathFault::Parent)),
            ("C:/app/a", Err(PathFault::Drive)),
            ("app/C:/a", Err(PathFault::Drive)),
            ("app/c:", Err(PathFault::Drive)),
            ("app\\C:\\a", Err(PathFault::Drive)),
            ("app/a\\b", Err(PathFault::MixedSeparators)),
            ("app/..\\a", Err(PathFault::MixedSeparators)),
            ("Chart.yaml", Err(PathFault::NoFolder)),
            ("Chart.yaml/a", Err(PathFault::NoFolder)),
            ("app/", Err(PathFault::NoFolder)),
            ("app/.", Err(PathFault::NoFolder)),
            ("", Err(PathFault::NoFolder)),
            ("app/a\nb", Err(PathFault::ControlCharacter)),
            ("app/\u{1b}[31m", Err(PathFault::ControlCharacter)),
            ("app/\u{9b}", Err(PathFault::ControlCharacter)),
        ];
        for (name, expected) in cases {
            let path = place(name.as_bytes()).map(|place| place.path);
            assert_eq!(path, expected.map(str::to_owned), "{name:?}");
        }
        assert_eq!(place(b"app/\xff"), Err(PathFault::NotUtf8));
        assert_eq!(place(format!("app/{}", "a".repeat(1_021)).as_bytes()), Err(PathFault::TooLong));
    }

    #[test]
    fn files_of_charts_inside_of_charts() {
        let of = |chart, path, depth| Role::OfSubchart { chart, path, depth };
        let cases = [
            ("values.yaml", Role::Own),
            ("charts", Role::Own),
            ("mycharts/db/Chart.yaml", Role::Own),
            ("charts/_db/Chart.yaml", Role::Own),
            ("charts/.db.tgz", Role::Own),
            ("charts/db.tgz.prov", Role::Own),
            ("charts/db/a.prov", Role::Own),
            ("charts/db.tgz", Role::Package { depth: 1 }),
            ("charts/db/Chart.yaml", of("charts/db", "Chart.yaml", 1)),
            ("charts/db/charts/x/y/z", of("charts/db/charts/x", "y/z", 2)),
            ("charts/db/charts/_x/y", of("charts/db", "charts/_x/y", 1)),
            ("charts/db/charts/x.tgz", Role::Package { depth: 2 }),
            ("charts/db/x.tgz", of("charts/db", "x.tgz", 1)),
            ("charts/README.md", Role::Stray),
            ("charts/db.tgz/Chart.yaml", Role::Stray),
            ("charts/db/charts/README.md", Role::Stray),
        ];
        for (path, expected) in cases {
            assert_eq!(role(path), expected, "{path}");
        }
    }
}
