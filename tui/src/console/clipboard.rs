//! Copies: to the clipboard of the terminal by OSC 52, which works over ssh too; what is too long for that, to a file.

use std::io::{self, Write};

use super::terminal::Screen;
use crate::engine::report::Report;
use crate::widget::bytes;

/// Bytes that terminals commonly take; beyond that they cut it off without a word.
const CLIPBOARD_BYTES_MAX: usize = 74_000;

/// Copies; answers what to say about it.
///
/// # Errors
/// When the terminal is gone.
pub(crate) fn copy(screen: &mut Screen, copied: &[u8]) -> io::Result<Report> {
    let size = bytes(u64::try_from(copied.len()).unwrap_or(u64::MAX));
    if copied.len() <= CLIPBOARD_BYTES_MAX {
        screen.copy(copied)?;
        let next = "tmux wants set-clipboard on for it".to_owned();
        return Ok(Report::Done(format!("copied {size} to the terminal's clipboard"), next));
    }
    Ok(match keep(copied) {
        Ok(path) => {
            let what = format!("{size} is too long for a clipboard: written to a file");
            Report::Done(what, path)
        }
        Err(error) => Report::Trouble(
            format!("{size} is too long for a clipboard, and no file could be written"),
            error.to_string(),
            "look at the space and the rights of the directory for temporary files".to_owned(),
        ),
    })
}

/// Writes to a file that only its owner reads.
fn keep(copied: &[u8]) -> io::Result<String> {
    let mut file = tempfile::Builder::new().prefix("mini-etcd-copy-").tempfile()?;
    file.write_all(copied)?;
    let (_, path) = file.keep().map_err(|error| error.error)?;
    Ok(path.display().to_string())
}
