//! What this process uses, as the operating system tells it.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads there ever were.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Bytes of memory that are resident; none where there is no `/proc`.
pub fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Files and sockets that are open; none where there is no `/proc`.
pub fn open_fds() -> Option<u64> {
    // The listing holds one itself.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_shows() {
        let before = cpu();
        let mut memory = vec![1u8; 32 << 20];
        memory.iter_mut().for_each(|byte| *byte ^= 3);
        assert!(cpu() > before);
        assert!(resident_memory().unwrap() > memory.len() as u64);
        let open = fs::File::open("/proc/self/status").unwrap();
        assert!(open_fds().unwrap() >= 1);
        drop(open);
    }
}
