//! What was acknowledged stays, whatever fails (docs/internals/threat-model.md#part-c-checks).

mod client;
mod damage;
mod damage_journal;
mod failing;
mod healing;
mod kill;
mod ledger;
mod memory;
mod races;
mod stop;
