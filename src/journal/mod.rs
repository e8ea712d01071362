//! The journal: commits, the fold, checkpoints, and the machines that append and read (JOURNAL.md). Knows neither HTTP nor policy by name.
