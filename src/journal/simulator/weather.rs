//! What may happen in a run, and how often: drawn anew for every seed, so that runs differ in kind.

use std::time::Duration;

use super::random::Random;
use super::replica::OUTAGE_READS;
use crate::journal::machine::{Mode, Rule};

/// Rates are per thousand.
#[derive(Clone, Debug)]
pub struct Weather {
    pub mode: Mode,
    pub replicas: usize,
    pub broken: Option<Rule>,
    /// Requests that fail, those of them that arrive later after all, and answers that are lost.
    pub failed: u32,
    pub late: u32,
    pub lost: u32,
    pub full: u32,
    /// What befalls replicas, for each step.
    pub crash: u32,
    pub forget: u32,
    pub stall: u32,
    pub cut: u32,
    pub jump: u32,
    pub checkpoint: u32,
    /// Data that nothing names any more is deleted, or soon will be.
    pub sweep: u32,
    /// A collector looks, or proposes what it saw; hours or days pass.
    pub collect: u32,
    /// Removals and restores among the changes, beside those that come anyway.
    pub removals: u32,
    pub quiet: u32,
    /// One replica has other removal rules.
    pub two_rules: bool,
    /// Of checkpoints.
    pub corrupt: u32,
    /// Reads among what clients ask for, and requests that come several at a time.
    pub reads: u32,
    pub bursts: u32,
    /// Changes that were asked for before, with the same data, as by a client that repeats the end of an upload.
    pub repeats: u32,
    /// The longest time that passes with a step, in microseconds.
    pub pace: usize,
    /// A create looks first and writes later: such a store is no store.
    pub looks_then_writes: bool,
    /// For how long states are read while the store does not answer.
    pub outage_reads: Duration,
}

impl Weather {
    pub fn of(random: &mut Random, broken: Option<Rule>) -> Self {
        let single = random.chance(125);
        let mut often = |rate: usize| if random.chance(500) { random.below(rate) as u32 } else { 0 };
        let (failed, lost, full) = (often(250), often(250), often(20));
        let (crash, forget, stall) = (often(15), often(20), often(15));
        let (cut, jump, checkpoint, corrupt) = (often(10), often(20), often(15), often(300));
        let (sweep, repeats) = (often(100), often(200));
        let (collect, quiet) = (often(200), often(60));
        let two_rules = random.chance(300);
        let late = random.below(1_000) as u32;
        Self {
            mode: if single { Mode::Single } else { Mode::Shared },
            replicas: if single { 1 } else { 2 + random.below(3) },
            broken,
            failed,
            late,
            lost,
            full,
            crash,
            forget,
            stall,
            cut,
            jump,
            checkpoint,
            sweep,
            collect,
            removals: if two_rules { 300 } else { 0 },
            quiet,
            two_rules,
            corrupt,
            reads: 200 + random.below(500) as u32,
            bursts: random.below(400) as u32,
            repeats,
            pace: *random.pick(&[500, 5_000, 50_000, 400_000]),
            looks_then_writes: false,
            // Not drawn, and not where a rule is broken: the runs that show the mutants stay as they are.
            outage_reads: if broken.is_none() && late.is_multiple_of(4) {
                OUTAGE_READS
            } else {
                Duration::ZERO
            },
        }
    }

    /// No faults any more.
    pub fn clear_up(&mut self) {
        (self.failed, self.lost, self.full) = (0, 0, 0);
        (self.crash, self.forget, self.stall) = (0, 0, 0);
        (self.cut, self.jump, self.checkpoint, self.corrupt) = (0, 0, 0, 0);
        (self.sweep, self.collect, self.quiet) = (0, 0, 0);
        self.pace = 1_000;
    }
}
