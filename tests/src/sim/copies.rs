//! Copies of disks, and a member that is set back to one: an operator who means well. The next is set back once it has caught up.

use super::world::{Event, World};

impl World {
    /// Plans the next copy.
    pub(super) fn plan_copy(&mut self) {
        let every = self.plan.copy_every;
        if every > 0 && !self.calm {
            let wait = self.chances.copies.between(every / 2, every * 3 / 2);
            self.at(wait, 0, Event::Copy);
        }
    }

    /// All disks are copied, as a loss of power would leave them now. One of the copies is put back a while later.
    pub(super) fn copy(&mut self) {
        if self.calm {
            return;
        }
        for member in self.members.values_mut() {
            member.take_image();
        }
        let wait = self.chances.copies.between(50, 1500);
        self.at(wait, 0, Event::RollBack);
    }

    /// A member falls, and comes back with an older copy of its disks.
    pub(super) fn roll_back(&mut self) {
        self.plan_copy();
        let ids = self.ids();
        let Some(&id) = self.chances.copies.pick(&ids) else { return };
        if self.calm || self.rolled_back.is_some() {
            return;
        }
        if self.members.get(&id).is_some_and(|member| member.running.is_some()) {
            self.crash(id);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.roll_back() {
            self.watchman.rolled_back(id);
            self.rollbacks += 1;
            self.rolled_back = Some(id);
        }
    }

    /// Member `id` runs and is not in doubt.
    pub(super) fn caught_up(&mut self, id: u64) {
        if self.rolled_back == Some(id) {
            self.rolled_back = None;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.is_copied = false;
        }
    }
}
