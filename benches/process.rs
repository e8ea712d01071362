//! What a process has used, by its own clocks and counters in `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// One tick of `/proc/<pid>/stat`, of which Linux has 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time of a process at one moment.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// By thread, to the nanosecond; a thread that has ended is missing.
    threads: BTreeMap<u32, Duration>,
    /// Of all threads there ever were, in ticks.
    ticks: Duration,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: u64,
    /// The most since the process began or [`reset_peak`].
    pub peak: u64,
}

impl Cpu {
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let name = thread?.file_name();
            let id = name.to_string_lossy().parse()?;
            // A thread may end between the listing and this.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{id}/schedstat")) else { continue };
            let nanos = text.split_whitespace().next().context("schedstat")?.parse()?;
            threads.insert(id, Duration::from_nanos(nanos));
        }
        Ok(Self { threads, ticks: ticks(pid)? })
    }

    /// The time used since `before`. Threads that ended meanwhile are known by the coarse clock only.
    pub fn since(&self, before: &Cpu) -> Duration {
        let used = |(id, now): (&u32, &Duration)| {
            now.saturating_sub(before.threads.get(id).copied().unwrap_or_default())
        };
        let fine: Duration = self.threads.iter().map(used).sum();
        let coarse = self.ticks.saturating_sub(before.ticks);
        fine.max(coarse.saturating_sub(2 * TICK))
    }
}

/// User and system time of a process (proc_pid_stat(5), fields 14 and 15).
fn ticks(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("stat")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.map(|time| time.parse::<u32>()).sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
}

impl Memory {
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("status")?;
            let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
            anyhow::Ok(kib * 1024)
        };
        Ok(Self { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// Makes the peak start again from what is resident now.
pub fn reset_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Bytes that a process has moved by `read` and `write` calls, on files and pipes alike.
pub fn moved(pid: u32) -> Result<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let counters = io.lines().filter(|line| line.starts_with("rchar:") || line.starts_with("wchar:"));
    let values = counters.filter_map(|line| line.split_whitespace().nth(1));
    Ok(values.map(|value| value.parse::<u64>()).sum::<Result<_, _>>()?)
}
