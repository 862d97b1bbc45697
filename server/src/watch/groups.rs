//! Watches by what they ask for: those who want the same share one place in the index and one encoded body.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::RequestError;

use super::frame::{Body, EventBatch};
use super::index::Index;
use super::spec::Spec;

/// Number of a watch, never used twice.
pub(crate) type Serial = u64;

/// Watches of one spec.
#[derive(Debug)]
struct Group {
    spec: Spec,
    members: BTreeSet<Serial>,
}

/// What the watches of one group get of a turn.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) members: Vec<Serial>,
    pub(crate) bodies: Result<Vec<Body>, RequestError>,
}

/// A set of watches, asked which of them an event concerns.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    index: Index<Vec<u64>>,
    by_number: BTreeMap<u64, Group>,
    last: u64,
}

impl Groups {
    pub(crate) fn insert(&mut self, spec: &Spec, serial: Serial) {
        let at = self.index.entry(&spec.range);
        for number in at.iter() {
            if let Some(group) = self.by_number.get_mut(number)
                && group.spec == *spec
            {
                group.members.insert(serial);
                return;
            }
        }
        self.last += 1;
        at.push(self.last);
        let members = BTreeSet::from([serial]);
        self.by_number.insert(self.last, Group { spec: spec.clone(), members });
    }

    pub(crate) fn remove(&mut self, spec: &Spec, serial: Serial) {
        let Some(at) = self.index.get_mut(&spec.range) else { return };
        at.retain(|number| {
            let Some(group) = self.by_number.get_mut(number) else { return false };
            if group.spec == *spec {
                group.members.remove(&serial);
                if group.members.is_empty() {
                    self.by_number.remove(number);
                    return false;
                }
            }
            true
        });
        if at.is_empty() {
            self.index.remove(&spec.range);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Every watch of the set.
    pub(crate) fn members(&self) -> impl Iterator<Item = Serial> {
        self.by_number.values().flat_map(|group| group.members.iter().copied())
    }

    /// Whether a change of `key` concerns anybody.
    pub(crate) fn wants(&self, key: &[u8]) -> bool {
        !self.index.visit(key, &mut |_| false)
    }

    /// Who gets what of a turn. Only groups that an event concerns take work.
    pub(crate) fn share(&self, turn: &mut EventBatch<'_>) -> Vec<Share> {
        let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        if self.is_empty() {
            return Vec::new();
        }
        for (place, event) in turn.events().iter().enumerate() {
            self.index.visit(&event.key, &mut |numbers: &Vec<u64>| {
                for number in numbers {
                    places.entry(*number).or_default().push(place);
                }
                true
            });
        }
        let mut shares = Vec::with_capacity(places.len());
        for (number, places) in places {
            let Some(group) = self.by_number.get(&number) else { continue };
            let bodies = turn.bodies(&group.spec, &places);
            if !matches!(&bodies, Ok(bodies) if bodies.is_empty()) {
                shares.push(Share { members: group.members.iter().copied().collect(), bodies });
            }
        }
        shares
    }
}
