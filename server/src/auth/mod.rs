//! Users, roles and permissions: who may do what, as a part of the applied state.
//!
//! ```text
//! entry ─▶ Auth::check (the asker of the command, now) ─▶ the part that it is for
//!     └─▶ Auth::change ─▶ rows of users and roles          Published ─▶ api: reads, and what is not replicated
//!                    └─▶ TokenChange ─▶ Tokens (memory of each member) ─▶ api: token to user
//!                    └─▶ watch: running watches are judged anew
//! ```
//!
//! What somebody may do is the union of what their roles permit: two sets of keys, read and write, each a sorted list of
//! ranges that do not touch ([`Ranges`]), made when a user is first asked for after a change and kept with the user.
//!
//! *Invariants.*
//! - I1: a command is judged when it is applied, by the state before it: what was taken while it was on its way is taken. A
//!   request is refused where users or roles changed since it was made; its client logs in again and asks again.
//! - I2: what is not named is denied: each kind of command has its rule in [`Auth::check`], each method in `api::methods`.
//! - I3: no password is in the log or in a row: it is hashed before anything is proposed, and what it hashes to is shown to nobody.
//! - I4: simple tokens come and go by entries, so that any member takes what another one gave out; how long they live is each
//!   member's own. What ends them all ends them before the state that says so is shown.
//!   Signed ones ([`Jwt`]) are good at the revision of users and roles that they name, on every member that knows the key.
//! - I5: a role `root` permits everything, and while permissions count a user `root` who has it cannot go.
//!
//! *Refuses* what etcd refuses, in its words, which clients log in again by.
//!
//! *Tested* at the bottom of each file, in `apply/tests/auth.rs`, and from outside, method by method and beside etcd, in
//! `tests/tests/auth/`.

mod change;
mod check;
mod jwt;
mod ranges;
mod state;
mod tokens;

pub use check::Permit;
pub use jwt::Jwt;
pub use ranges::Ranges;
pub use state::{Auth, ROOT, TokenChange, cost_of};
pub use tokens::{Holder, TokenKind, Tokens};
