//! What was acknowledged stays, whatever fails (RELIABILITY.md part C).

mod client;
mod damage_journal;
mod failing;
mod kill;
mod ledger;
mod memory;
mod stop;
