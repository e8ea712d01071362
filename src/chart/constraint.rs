//! Constraints on versions, such as `^1.2 || >=3.0.0-0 <4`, as Helm reads them (Masterminds/semver 3.5): among them
//! what is odd about it, for the version that we choose has to be the one that Helm chooses.

mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use semver::Version;

use super::version::precedence;

/// Alternatives, one of which a version has to satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    any_of: Vec<Group>,
}

/// Why a text is no constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConstraint {
    #[error("the version constraint is {0} bytes long, but Helm reads no more than {max}", max = parse::MAX_LENGTH)]
    TooLong(usize),
    #[error("the version constraint has {0} alternatives, but Helm reads no more than {max}", max = parse::MAX_ALTERNATIVES)]
    TooManyAlternatives(usize),
    #[error(
        "the version constraint has {0:?} where a comparison is expected: write one like `1.2.3`, `^1.2`, `~1.2.3`, \
         `1.x` or `1.0 - 2.0`, a comma or a space between those that must all hold, `||` between alternatives"
    )]
    NoComparison(String),
    #[error(
        "{0:?} in the version constraint is no version: numbers are below 2^64, numbers of a pre-release do not begin \
         with 0, and there are at most 256 characters"
    )]
    NoVersion(String),
}

impl Constraint {
    /// Reads a constraint. Unlike a command of Helm, it takes no text for one that allows everything: that is `*`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidConstraint> {
        parse::constraint(text).map(|any_of| Self { any_of })
    }

    /// Whether `version` satisfies it; build metadata does not count.
    pub fn allows(&self, version: &Version) -> bool {
        self.any_of.iter().any(|group| group.allows(version))
    }

    /// The candidate with the highest version that satisfies it, the first of equals.
    ///
    /// Helm looks for a version that is spelled like the constraint before that: so has the caller.
    pub fn highest<T>(
        &self,
        candidates: impl IntoIterator<Item = T>,
        version: impl Fn(&T) -> &Version,
    ) -> Option<T> {
        let allowed = candidates.into_iter().filter(|candidate| self.allows(version(candidate)));
        allowed.reduce(|best, next| match precedence(version(&next), version(&best)) {
            Ordering::Greater => next,
            Ordering::Less | Ordering::Equal => best,
        })
    }
}

/// Written so that it is read again as what it is, with hyphen ranges spelled out.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.any_of.iter().enumerate() {
            f.write_str(if at > 0 { " || " } else { "" })?;
            for (at, comparison) in group.all_of.iter().enumerate() {
                let Comparison { operator, written, .. } = comparison;
                write!(f, "{}{}{written}", if at > 0 { " " } else { "" }, operator.sign())?;
            }
        }
        Ok(())
    }
}

/// Comparisons that all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    all_of: Vec<Comparison>,
}

impl Group {
    /// Pre-releases are for those who ask for one: a comparison of the group has to name some pre-release.
    fn allows(&self, version: &Version) -> bool {
        let names_pre_release = || self.all_of.iter().any(|comparison| !comparison.base.pre.is_empty());
        (version.pre.is_empty() || names_pre_release())
            && self.all_of.iter().all(|comparison| comparison.holds(version))
    }
}

/// An operator and the version behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    /// How much of a version is written; the rest of `base` is zeros.
    given: Given,
    base: Version,
    written: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// No sign, or `=`.
    Like,
    Unlike,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

/// The numbers of a version before the first that is missing or a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// `*`
    Nothing,
    /// `1`, `1.x`
    Major,
    /// `1.2`, `1.2.*`
    Minor,
    /// `1.2.3`
    All,
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Like => "",
            Self::Unlike => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Tilde => "~",
            Self::Caret => "^",
        }
    }
}

impl Comparison {
    fn holds(&self, version: &Version) -> bool {
        let order = precedence(version, &self.base);
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Like if self.given == Given::All => order.is_eq(),
            Operator::Like | Operator::Tilde => order.is_ge() && self.is_in_tilde(version),
            Operator::Caret => order.is_ge() && self.is_in_caret(version),
            Operator::Greater => match self.given {
                Given::Major | Given::Minor => self.leading(version).is_gt(),
                Given::Nothing | Given::All => order.is_gt(),
            },
            Operator::AtMost => match self.given {
                Given::Major | Given::Minor => self.leading(version).is_le(),
                // Odd: `<=*` is `<=0.0`.
                Given::Nothing => (version.major, version.minor) == (0, 0),
                Given::All => order.is_le(),
            },
            Operator::Unlike => match self.given {
                Given::Major => self.leading(version).is_ne(),
                // Odd: the pre-release counts though the patch number does not.
                Given::Minor => self.leading(version).is_ne() || version.pre != self.base.pre,
                // Odd: `!=*` is `!=0.0.0`.
                Given::Nothing | Given::All => order.is_ne(),
            },
        }
    }

    /// Compares the numbers that are given, of `Major` and `Minor`.
    fn leading(&self, version: &Version) -> Ordering {
        let minor = |of: &Version| if self.given == Given::Major { 0 } else { of.minor };
        (version.major, minor(version)).cmp(&(self.base.major, minor(&self.base)))
    }

    /// Whether a version that is no lower is one that `~` means: the last given number but the patch may not change.
    fn is_in_tilde(&self, version: &Version) -> bool {
        let is_zero = (self.base.major, self.base.minor, self.base.patch) == (0, 0, 0);
        match self.given {
            Given::Nothing => true,
            Given::Major => version.major == self.base.major,
            // Odd: `~0.0.0` is `>=0.0.0`.
            Given::All if is_zero => true,
            Given::Minor | Given::All => (version.major, version.minor) == (self.base.major, self.base.minor),
        }
    }

    /// Whether a version that is no lower is one that `^` means: the first given number that is not 0 may not change.
    fn is_in_caret(&self, version: &Version) -> bool {
        let Version { major, minor, patch, .. } = self.base;
        let (same_major, same_minor) = (version.major == major, version.minor == minor);
        match (self.given, major, minor) {
            (Given::Major, ..) | (_, 1.., _) => same_major,
            (Given::Minor, ..) | (_, _, 1..) => same_major && same_minor,
            // Odd: `^*` is `^0.0.0`.
            (Given::Nothing | Given::All, ..) => same_major && same_minor && version.patch == patch,
        }
    }
}
