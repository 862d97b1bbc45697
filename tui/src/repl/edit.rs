//! `\e` and Ctrl-X Ctrl-E: a statement in the editor that the environment names.

use std::path::Path;

use tokio::process::Command;

/// The editor where none is named.
const USUAL: &str = "vi";

/// Why nothing was edited.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditError {
    /// The file for it.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The editor said no.
    #[error("{editor}: {status}; the line is as it was")]
    Refused {
        /// Its command.
        editor: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// What it left.
    #[error("what was edited is no text: {0}")]
    Text(#[from] std::string::FromUtf8Error),
}

/// Lets a person edit `text`; answers what it became.
pub(super) async fn edit(text: &str, tmp: &Path) -> Result<String, EditError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| USUAL.to_owned());
    let file = tmp.join("statement.ers");
    std::fs::write(&file, format!("{text}\n"))?;
    // The variable may hold flags too.
    let script = format!("{editor} \"$1\"");
    let status = Command::new("sh").args(["-c", &script, "sh"]).arg(&file).status().await?;
    if !status.success() {
        return Err(EditError::Refused { editor, status });
    }
    let edited = String::from_utf8(std::fs::read(&file)?)?;
    Ok(edited.trim_end_matches('\n').to_owned())
}
