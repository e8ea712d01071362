//! What was acknowledged stays, whatever fails (docs/internals/threat-model.md#part-c-checks).

mod client;
mod damage_journal;
mod failing;
mod kill;
mod ledger;
mod memory;
mod stop;
