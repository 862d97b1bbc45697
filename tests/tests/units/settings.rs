//! [`Start`]: how one member is started, and what its flags, variables or file say.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_yaml_ng::{Mapping, Value};

/// Flags without a value in the next word.
const BOOLS: [&str; 8] = [
    "auto-tls",
    "client-cert-auth",
    "enable-pprof",
    "enable-v2",
    "force-new-cluster",
    "peer-auto-tls",
    "peer-client-cert-auth",
    "pre-vote",
];

/// One member as it is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    pub arguments: Vec<String>,
    pub variables: Vec<(String, String)>,
    /// What stands in the file of `--config-file`.
    pub file: Option<String>,
}

impl Start {
    /// What it says, by the names of etcd's flags.
    pub fn settings(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut settings = BTreeMap::new();
        if let Some(file) = &self.file {
            let file: Mapping = serde_yaml_ng::from_str(file)?;
            of_file(&file, "", &mut settings)?;
            return Ok(settings);
        }
        for (name, value) in &self.variables {
            if let Some(name) = name.strip_prefix("ETCD_") {
                settings.insert(name.to_ascii_lowercase().replace('_', "-"), value.clone());
            }
        }
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            let bare = word.trim_start_matches('-');
            ensure!(bare.len() < word.len(), "{word} is no flag");
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, value),
                None if BOOLS.contains(&bare) => (bare, "true"),
                None => {
                    (bare, words.next().with_context(|| format!("a value of {word}"))?.as_str())
                }
            };
            settings.insert(name.to_owned(), value.to_owned());
        }
        Ok(settings)
    }
}

fn of_file(
    file: &Mapping,
    prefix: &str,
    settings: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    for (key, value) in file {
        let key = key.as_str().context("a key")?;
        let text = match value {
            Value::Mapping(section) => {
                let prefix = if key == "peer-transport-security" { "peer-" } else { "" };
                of_file(section, prefix, settings)?;
                continue;
            }
            Value::Null | Value::Sequence(_) => continue,
            Value::String(text) => text.clone(),
            other => serde_yaml_ng::to_string(other)?.trim_end().to_owned(),
        };
        settings.insert(format!("{prefix}{key}"), text);
    }
    Ok(())
}
