//! A page of metrics, and how two of them changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{DIFFERENT, EXCEPT, NEWER, is_of_etcd};

/// A page: the kind of each family, and its samples by name and labels. Of a histogram the count alone.
#[derive(Debug, Default)]
pub struct Samples {
    /// Families and their kinds.
    pub kinds: BTreeMap<String, String>,
    values: BTreeMap<(String, String), f64>,
}

impl Samples {
    pub fn parse(page: &str) -> Self {
        let mut samples = Self::default();
        for line in page.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap_or((kind, ""));
                samples.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some((series, value)) = line.rsplit_once(' ')
                && !line.starts_with('#')
            {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let mut labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
                labels.sort_unstable();
                let key = (name.to_owned(), labels.join(","));
                samples.values.insert(key, value.parse().unwrap_or(f64::NAN));
            }
        }
        samples
            .values
            .retain(|(name, _), _| samples.kinds.contains_key(name) || name.ends_with("_count"));
        samples
    }

    pub fn kind(&self, family: &str) -> Option<&str> {
        self.kinds.get(family).map(String::as_str)
    }

    /// The family of a sample's name.
    fn family<'a>(&self, name: &'a str) -> &'a str {
        let whole = name.strip_suffix("_count").unwrap_or(name);
        if self.kinds.contains_key(name) { name } else { whole }
    }

    fn value(&self, key: &(String, String)) -> f64 {
        self.values.get(key).copied().unwrap_or_default()
    }
}

/// What `action` changed otherwise here than there, under names of etcd's that we show.
pub fn differences(
    action: &str,
    ours_before: &Samples,
    ours: &Samples,
    theirs_before: &Samples,
    theirs: &Samples,
) -> Vec<String> {
    let pages = [ours_before, ours, theirs_before, theirs];
    let all: BTreeSet<_> = pages.iter().flat_map(|page| page.values.keys()).collect();
    let mut different = Vec::new();
    for key in all {
        let family = ours.family(&key.0);
        let may_differ = DIFFERENT.iter().any(|(name, _)| *name == family);
        let is_excepted =
            EXCEPT.iter().any(|(at, name, _)| *at == action && family.starts_with(name));
        let is_newer = NEWER.contains(&family) && theirs.kind(family).is_none();
        let is_ours = ours.kind(family).is_some();
        // What etcd counts for it, and a little later, must not show in the next action.
        let counts = is_excepted && family == "etcd_server_proposals_committed_total";
        let is_late = counts && theirs.value(key) <= theirs_before.value(key);
        let is_left_out = may_differ || is_newer || (is_excepted && !is_late);
        if !is_of_etcd(family) || !is_ours || is_left_out {
            continue;
        }
        let mine = ours.value(key) - ours_before.value(key);
        let its = theirs.value(key) - theirs_before.value(key);
        if is_late || (mine - its).abs() > f64::EPSILON {
            let labels = if key.1.is_empty() { String::new() } else { format!("{{{}}}", key.1) };
            different.push(format!("{}{labels}: ours {mine:+}, etcd {its:+}", key.0));
        }
    }
    different
}
