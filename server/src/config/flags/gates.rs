//! The feature gates of etcd 3.7.

use super::operation::NOT_COMPARED;
use crate::config::layers::go_bool;

/// A gate: its name, whether it is open here, and why nothing else has a meaning.
type Gate = (&'static str, Option<bool>, &'static str);

/// Those of etcd 3.7.3. One that is neither open nor closed here is taken either way.
pub(super) const GATES: [Gate; 11] = [
    ("AllAlpha", Some(false), "gates have no effect"),
    ("AllBeta", Some(false), "gates have no effect"),
    ("CompactHashCheck", Some(false), NOT_COMPARED),
    ("FastLeaseKeepAlive", None, "a renewal is confirmed by the quorum that every read asks"),
    ("InitialCorruptCheck", Some(false), NOT_COMPARED),
    ("LeaseCheckpoint", Some(true), "what is left of leases is always kept"),
    ("LeaseCheckpointPersist", Some(true), "what is left of leases is always kept"),
    ("PriorityRequest", Some(false), "requests wait in one line"),
    ("SetMemberLocalAddr", Some(false), "the system picks the address that peers are dialed from"),
    ("StopGRPCServiceOnDefrag", Some(false), "a member serves while it gives space back"),
    ("TxnModeWriteWithSharedBuffer", None, "there is no such buffer"),
];

/// Warnings for the gates of `text`, or what is accepted.
pub(in crate::config) fn gates(text: &str) -> Result<Vec<String>, String> {
    let names = || GATES.map(|(name, ..)| name).join(", ");
    let mut warnings = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=').ok_or("NAME=true or NAME=false")?;
        let value = go_bool(value.trim()).ok_or("NAME=true or NAME=false")?;
        let gate = GATES.into_iter().find(|(known, ..)| *known == name.trim());
        let (name, is_open, why) = gate.ok_or_else(|| format!("the gates {}", names()))?;
        if is_open.is_some_and(|is_open| is_open != value) {
            warnings.push(format!("the feature gate {name}={value} has no effect: {why}"));
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_known_by_name_and_warned_of_where_they_change_nothing() {
        assert_eq!(gates("InitialCorruptCheck=false, LeaseCheckpoint=true,"), Ok(Vec::new()));
        let warned = gates("PriorityRequest=true").unwrap();
        assert!(warned.len() == 1 && warned[0].contains("PriorityRequest"), "{warned:?}");
        for text in ["Bogus=true", "AllAlpha", "AllAlpha=maybe"] {
            assert!(gates(text).is_err(), "{text}");
        }
    }
}
