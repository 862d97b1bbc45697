//! The requests of the Keys screen, each with how it is carried out over the etcd API.
//!
//! ```text
//! ReadPage (scan) · ReadValue, ReadLive (read) · CountBulk (preview) · WriteKey (write) · ChangeMany (bulk)
//! ReadHistory, ReadChanges, ReadGraves (past) · ReadHistogram (offered) · FindKeys (find)
//! ```
//!
//! What mini-etcd tells of the past by itself (`offered`) is asked first; a server without that is asked the long way.
//!
//! * I1: what is read at a pinned revision is the same whichever member answers; so such reads are serializable, and
//!   asked again of a quorum when the member has not come so far yet.
//! * I2: every loop over pages or windows has a named bound, and ends when its task is aborted.
//! * I3: a change of a key, or of many, is a transaction that compares first, on a member whose history has what was
//!   seen (`history`): one whose data was replaced by an older state is of the same cluster by its number.
//!
//! Tested in `tests/console/keyspace.rs` against a real member, and by the fake server.

mod bulk;
mod find;
mod history;
mod offered;
mod past;
mod preview;
mod read;
mod scan;
mod write;

use mini_etcd_shared::client::Outcome;
use mini_etcd_shared::error::ClientError;

pub use bulk::ChangeMany;
pub use find::FindKeys;
pub use offered::ReadHistogram;
pub use past::{ReadChanges, ReadGraves, ReadHistory};
pub use preview::CountBulk;
pub use read::{ReadLive, ReadValue};
pub use scan::ReadPage;
pub use write::WriteKey;

use super::Which;
use crate::engine::fault;
use crate::engine::request::Trouble;

/// The result of a call, or why there is none.
fn outcome<T>(outcome: Outcome<T>) -> Result<T, Trouble> {
    match outcome {
        Outcome::Ok(answer) => Ok(answer),
        Outcome::Failed(error) => Err(fault::of_client(&error, false)),
        Outcome::Unknown(error) => Err(fault::of_client(&error, true)),
    }
}

fn failed(error: &ClientError) -> Trouble {
    fault::of_client(error, false)
}
