//! Charts: archives, versions and the index. No I/O, no async.
