//! `$VISUAL` or `$EDITOR` over a file that only its owner reads, and that goes away afterwards.

use std::env;
use std::fs;
use std::io;

use tokio::process::Command;

use crate::engine::request::{Answer, Trouble};

/// Used when neither variable is set.
const USUAL: &str = "vi";

/// Has a text edited; answers what the editor left.
pub(crate) async fn edit(name: &str, text: &[u8]) -> Answer {
    let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| USUAL.to_owned());
    match run(&editor, name, text).await {
        Ok(Ok(text)) => Answer::of(text),
        Ok(Err(how)) => failed(editor, how, "nothing was written"),
        Err(error) => failed(editor, error.to_string(), "set $EDITOR to an editor that is there"),
    }
}

fn failed(place: String, why: String, next: &str) -> Answer {
    Answer::failed(Trouble { place, why, next: next.to_owned() })
}

async fn run(editor: &str, name: &str, text: &[u8]) -> io::Result<Result<Vec<u8>, String>> {
    let dir = tempfile::Builder::new().prefix("mini-etcd-edit-").tempdir()?;
    let file = dir.path().join(name);
    fs::write(&file, text)?;
    // Through a shell, for the variable may hold arguments.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(&file)
        .kill_on_drop(true)
        .status()
        .await?;
    if !status.success() {
        return Ok(Err(format!("it ended with {status}")));
    }
    Ok(Ok(fs::read(&file)?))
}
