//! Faults, and their end.

use anyhow::{Result, ensure};
use mini_etcd_server::raft::Input;
use mini_etcd_shared::types::LogIndex;

use super::world::{Event, World};

impl World {
    pub(super) fn fault(&mut self, id: u64, event: &Event) -> Result<()> {
        if matches!(event, Event::Restart) {
            return self.restart(id);
        }
        match event {
            Event::Rejoin => {
                self.rejoin();
                return Ok(());
            }
            Event::Connection { peer, stands } => {
                self.connection(id, *peer, *stands);
                return Ok(());
            }
            Event::Copy => {
                self.copy();
                return Ok(());
            }
            Event::RollBack => {
                self.roll_back();
                return Ok(());
            }
            Event::Gone => {
                self.retire(id);
                return Ok(());
            }
            _ => {}
        }
        if self.calm {
            return Ok(());
        }
        let ids = self.ids();
        let victim = self.chances.faults.pick(&ids).copied().unwrap_or(1);
        match event {
            Event::Crash => {
                self.fell(victim);
                self.plan_fault(self.plan.crash_every, Event::Crash);
            }
            Event::Partition => self.partition(victim),
            Event::Transfer => {
                for id in ids {
                    self.input(id, Input::TransferLeader { to: None });
                }
                self.plan_fault(self.plan.transfer_every, Event::Transfer);
            }
            Event::Change => self.ask_for_change(),
            Event::Clog => {
                let other = self.chances.faults.pick(&ids).copied().unwrap_or(1);
                let free = self.now + self.chances.faults.between(100, 3000);
                let last = self.links.entry((victim, other)).or_default();
                *last = free.max(*last);
                self.plan_fault(self.plan.clog_every, Event::Clog);
            }
            Event::Pause => {
                let wait = self.chances.faults.between(100, 2500);
                let until = self.now + wait;
                if let Some(member) = self.members.get_mut(&victim) {
                    member.paused_until = until;
                }
                self.plan_fault(self.plan.pause_every, Event::Pause);
            }
            Event::Hang => {
                // Below and above the time after which a leader hands over.
                let until = self.now + self.chances.faults.between(300, 4000);
                if let Some(member) = self.members.get_mut(&victim) {
                    member.disk_hangs_until = until;
                }
                self.plan_fault(self.plan.hang_every, Event::Hang);
            }
            _ => {}
        }
        Ok(())
    }

    /// One member alone, or one pair; both ways, or one.
    fn partition(&mut self, victim: u64) {
        let ids = self.ids();
        let other = self.chances.faults.pick(&ids).copied().unwrap_or(1);
        let alone = self.chances.faults.chance(500);
        let rest = ids.iter().filter(|id| **id != victim && (alone || **id == other));
        let from_and_to = [(true, true), (true, false), (false, true)];
        let (from, to) = self.chances.faults.pick(&from_and_to).copied().unwrap_or_default();
        let ways = rest.flat_map(|id| [from.then_some((victim, *id)), to.then_some((*id, victim))]);
        self.cut = ways.flatten().collect();
        for (from, to) in self.cut.clone() {
            // Somebody may notice.
            let wait = self.chances.faults.between(100, 5000);
            self.at(wait, from, Event::Connection { peer: to, stands: false });
        }
        let wait = self.chances.faults.between(200, 3000);
        self.at(wait, 0, Event::Rejoin);
        self.plan_fault(self.plan.partition_every, Event::Partition);
    }

    /// A crash now, or inside of the next sync. Sometimes all fall together.
    fn fell(&mut self, victim: u64) {
        let all = self.chances.faults.chance(100);
        for id in self.ids().into_iter().filter(|id| all || *id == victim) {
            let in_sync = self.chances.faults.chance(self.plan.crash_in_sync);
            match self.members.get(&id) {
                Some(member) if member.running.is_some() && in_sync => member.fail_next_sync(),
                Some(member) if member.running.is_some() => self.crash(id),
                _ => {}
            }
        }
    }

    /// A member that is down starts again.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn restart(&mut self, id: u64) -> Result<()> {
        let seed = self.seed;
        let Some(member) = self.members.get_mut(&id).filter(|it| it.running.is_none()) else {
            return Ok(());
        };
        let (truncated, found) = member.start(seed)?;
        let installed = member.running.as_ref().map_or(LogIndex(0), |it| it.published().snapshot);
        let nonce = member.starts();
        if installed == truncated {
            self.watchman.installed(id, truncated.0)?;
        }
        self.watchman.cut(id, truncated.0)?;
        self.watchman.restarted(id, found)?;
        for peer in self.ids().into_iter().filter(|peer| *peer != id) {
            let wait = self.chances.network.between(1, 20);
            self.at(wait, peer, Event::Hello { peer: id, nonce });
            if let Some(nonce) =
                self.members.get(&peer).and_then(|it| it.running.as_ref()).map(|it| it.nonce)
            {
                self.at(wait, id, Event::Hello { peer, nonce });
            }
            self.connect(id, peer);
            self.connect(peer, id);
        }
        self.soon(0, id, "turn", Event::Turn);
        Ok(())
    }

    /// No more faults: all are up, all hear each other.
    ///
    /// # Errors
    /// When a member does not start.
    pub fn heal(&mut self) -> Result<()> {
        self.calm = true;
        self.rejoin();
        for id in self.ids() {
            if self.model.removed.contains(&id) {
                self.retire(id);
                continue;
            }
            self.restart(id)?;
            if let Some(member) = self.members.get_mut(&id) {
                member.paused_until = 0;
                member.disk_hangs_until = 0;
            }
        }
        Ok(())
    }

    /// Whether all members stand at the same place under one leader.
    #[must_use]
    pub fn converged(&self) -> bool {
        let states: Option<Vec<_>> = self
            .members
            .values()
            .map(|member| {
                let running = member.running.as_ref()?;
                let status = running.driver.status();
                let published = running.published();
                let place = (status.leader, status.term, published.applied, published.digest);
                let is_sound = status.doubt.is_none() && status.doubtful.is_empty();
                (is_sound && status.leader.0 != 0 && published.applied == status.last)
                    .then_some(place)
            })
            .collect();
        states.is_some_and(|states| states.iter().all(|state| Some(state) == states.first()))
    }

    /// After everything healed: what was promised is there.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self) -> Result<()> {
        self.told.check(&self.model)?;
        ensure!(self.told.writes.len() > 5, "only {} writes were answered", self.told.writes.len());
        Ok(())
    }
}
