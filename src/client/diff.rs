//! Differences between two texts by line, as `diff -u` writes them.

/// Lines that stay, before and after a change.
const AROUND: usize = 3;
/// Beyond so many pairs of lines the middle is told as replaced.
const MAX_CELLS: usize = 4_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Stays(&'a str),
    Goes(&'a str),
    Comes(&'a str),
}

/// Hunks with `@@ -from,count +to,count @@` before each.
pub fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = script(&old, &new);
    let mut text = String::new();
    let changes: Vec<usize> = (0..lines.len()).filter(|at| !matches!(lines[*at], Line::Stays(_))).collect();
    let mut changes = changes.into_iter().peekable();
    while let Some(first) = changes.next() {
        let start = first.saturating_sub(AROUND);
        let mut last = first;
        while let Some(next) = changes.next_if(|next| *next <= last + 2 * AROUND + 1) {
            last = next;
        }
        let end = (last + AROUND + 1).min(lines.len());
        write_hunk(&lines, start, end, &mut text);
    }
    text
}

fn write_hunk(lines: &[Line<'_>], start: usize, end: usize, text: &mut String) {
    let old = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::Comes(_))).count();
    let new = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::Goes(_))).count();
    let (before, hunk) = (&lines[..start], &lines[start..end]);
    // A side without lines is counted from the line before it.
    let from = |before: usize, count: usize| if count == 0 { before } else { before + 1 };
    let (old_count, new_count) = (old(hunk), new(hunk));
    let (old_from, new_from) = (from(old(before), old_count), from(new(before), new_count));
    text.push_str(&format!("@@ -{old_from},{old_count} +{new_from},{new_count} @@\n"));
    for line in hunk {
        let (sign, line) = match line {
            Line::Stays(line) => (' ', line),
            Line::Goes(line) => ('-', line),
            Line::Comes(line) => ('+', line),
        };
        text.push_str(&format!("{sign}{line}\n"));
    }
}

/// The longest common subsequence between what the texts share at both ends.
fn script<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old_middle, new_middle) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<Line<'a>> = old[..head].iter().map(|line| Line::Stays(line)).collect();
    middle(old_middle, new_middle, &mut lines);
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Stays(line)));
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<Line<'a>>) {
    let width = new.len() + 1;
    if old.len().saturating_mul(width) > MAX_CELLS {
        lines.extend(old.iter().map(|line| Line::Goes(line)));
        lines.extend(new.iter().map(|line| Line::Comes(line)));
        return;
    }
    // shared[i * width + j]: how many lines old[i..] and new[j..] have in common, in order.
    let mut shared = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let below = shared[(i + 1) * width + j].max(shared[i * width + j + 1]);
            let both = shared[(i + 1) * width + j + 1] + 1;
            shared[i * width + j] = if old[i] == new[j] { both } else { below };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Stays(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && shared[(i + 1) * width + j] >= shared[i * width + j + 1])
        {
            lines.push(Line::Goes(old[i]));
            i += 1;
        } else {
            lines.push(Line::Comes(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hunks_are_as_diff_writes_them() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\nten\n";
        assert_eq!(unified(old, new), "@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+ten\n");
        assert_eq!(unified("a\n", ""), "@@ -1,1 +0,0 @@\n-a\n");
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified("a\n", "a\n"), "");
    }

    proptest! {
        #[test]
        fn a_script_leads_from_one_to_the_other(old in "[abc\n]{0,40}", new in "[abc\n]{0,40}") {
            let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
            let script = script(&old, &new);
            let keep = |goes: bool| script.iter().filter_map(|line| match line {
                Line::Stays(line) => Some(*line),
                Line::Goes(line) => goes.then_some(*line),
                Line::Comes(line) => (!goes).then_some(*line),
            }).collect::<Vec<_>>();
            prop_assert_eq!(keep(true), old);
            prop_assert_eq!(keep(false), new);
        }
    }
}
