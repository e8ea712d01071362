//! What collectors do to the store of a run, and what must be there in spite of them.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{LINGER, State, Sweep, Violation, World, namespace};
use crate::journal::fold::rules::{FoldRule, holds};
use crate::journal::keys;
use crate::journal::op::{FenceOp, PurgeOp};
use crate::journal::proposal::Change;
use crate::journal::simulator::collector::{Configured, collect, older, sweepable, unnamed};

impl World {
    /// A collector looks at what can go, or proposes what it saw some time ago.
    pub(super) fn collect(&mut self, replica: usize) -> Result<(), Violation> {
        if !self.looks.is_empty() && self.random.chance(500) {
            let look = self.looks.swap_remove(self.random.below(self.looks.len()));
            return self.propose(replica, look, true);
        }
        let is_other = self.weather.two_rules && replica == 0;
        let configured = if is_other { Configured::ShortUndo } else { Configured::Default };
        let state = self.replicas[replica].machine.state().clone();
        self.looks.extend(collect(&state, configured, &mut self.random));
        Ok(())
    }

    /// A collector notes what is condemned, or deletes what it noted a while ago.
    pub(super) fn delete_condemned(&mut self, replica: usize) -> Result<(), Violation> {
        let now = self.now();
        let noted: BTreeSet<Uuid> = self.condemned.iter().map(|(id, _)| *id).collect();
        let newest = self.observer.newest().clone();
        let fresh = newest.condemned.keys().filter(|id| !noted.contains(*id));
        self.condemned.extend(fresh.map(|id| (*id, now)));
        let linger = if holds(FoldRule::CondemnedLingers) { LINGER } else { 0 };
        let (due, rest) = self.condemned.drain(..).partition(|(_, since)| since + linger <= now);
        self.condemned = rest;
        let objects: Vec<Uuid> = Vec::<(Uuid, u64)>::into_iter(due).map(|(id, _)| id).collect();
        objects.iter().for_each(|id| self.store.remove(&keys::data(&namespace(), *id)));
        self.check_data()?;
        match objects.is_empty() {
            true => Ok(()),
            false => self.propose(replica, Change::Purge(PurgeOp { objects }), true),
        }
    }

    /// A collector deletes data that no commit names: it raises the fence, lists what is older, then deletes.
    pub(super) fn sweep(&mut self, replica: usize) -> Result<(), Violation> {
        let newest = self.observer.newest().clone();
        let listed = |world: &Self, before| {
            let objects = world.store.keys().filter_map(keys::data_object);
            Sweep::Listed(older(objects, before))
        };
        match std::mem::take(&mut self.sweep) {
            Sweep::Idle => {
                let before = sweepable(newest.time);
                if !holds(FoldRule::SweepBehindFence) {
                    self.sweep = listed(self, before);
                } else if before > newest.fence {
                    self.sweep = Sweep::Fencing(before);
                    return self.propose(replica, Change::Fence(FenceOp { before, swept: before }), true);
                }
            }
            Sweep::Fencing(before) if newest.fence >= before => self.sweep = listed(self, before),
            // It may have been refused or lost.
            Sweep::Fencing(_) => {}
            Sweep::Listed(objects) => {
                for object in unnamed(&objects, &newest) {
                    self.store.remove(&keys::data(&namespace(), object));
                }
                return self.check_data();
            }
        }
        Ok(())
    }

    /// Nothing visible refers to data that is gone.
    pub(super) fn check_data(&self) -> Result<(), Violation> {
        self.check_data_of(self.observer.newest())
    }

    pub(super) fn check_data_of(&self, state: &State) -> Result<(), Violation> {
        let gone = |object: &&Uuid| self.store.get(&keys::data(&namespace(), **object)).is_none();
        match state.objects.keys().find(gone) {
            Some(object) => Err(format!("object {object} is named, but its data is not there")),
            None => Ok(()),
        }
    }
}
