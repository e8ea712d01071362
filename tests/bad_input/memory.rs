//! What a bad request costs: peak heap for each case, and resident memory over many rounds of all of them.
//!
//! The client shares the process of the test: it sends bytes prepared beforehand and keeps only the short answers.

use super::{Ground, fault};
use crate::HEAP;
use crate::support::alone::alone;
use crate::support::app::{Kind, TestServer};

const MIB: usize = 1 << 20;
const ROUNDS: usize = 20;

#[test]
fn no_case_costs_a_mebibyte_more_than_its_body_and_none_leaves_anything_behind() {
    let this_test = concat!(
        module_path!(),
        "::no_case_costs_a_mebibyte_more_than_its_body_and_none_leaves_anything_behind"
    );
    alone(this_test, measure());
}

async fn measure() {
    let server = TestServer::start(Kind::Memory).await;
    let ground = Ground::prepare(&server).await;
    let cases = ground.cases();
    let (mut costly, mut after_second) = (Vec::new(), 0);
    for round in 1..=ROUNDS {
        for case in &cases {
            let before = HEAP.current_usage();
            HEAP.reset_peak_usage();
            if let Some(fault) = fault(server.addr, case).await {
                panic!("{fault}");
            }
            let cost = HEAP.peak_usage().saturating_sub(before);
            // The first round warms caches and thread-local buffers.
            if round > 1 && cost > case.worth + MIB {
                costly.push(format!("{}: {cost} bytes for {}", case.name, case.worth));
            }
        }
        if round == 2 {
            after_second = resident();
        }
    }
    // One line for each case, that of its dearest round.
    costly.sort();
    costly.dedup_by_key(|line| line.split(':').next().map(str::to_owned));
    assert!(costly.is_empty(), "cases that cost too much:\n{}", costly.join("\n"));
    let (before, after) = (after_second / 1024, resident() / 1024);
    println!(
        "{} cases, {ROUNDS} rounds: {before} KiB resident after round 2, {after} KiB at the end",
        cases.len()
    );
    assert!(after <= before + 8 * 1024, "resident memory grew from {before} KiB to {after} KiB");
}

/// Resident memory of this process, in bytes (proc(5), "VmRSS").
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number of kB") * 1024
}
