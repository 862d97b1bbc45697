//! What can be done on the Watch screen.

mod find;
mod look;
mod prompt;
mod stream;

use super::{Tail, Watch};
use crate::console::Context;
use crate::console::action::Action;

/// Its actions, in the order of footer and help.
pub(crate) static TABLE: &[Action<Watch>] = &[
    look::PAUSE,
    look::UNFOLD,
    look::DIFF,
    prompt::SEARCH,
    prompt::FILTER,
    look::PIN,
    prompt::SAVE,
    prompt::NEW,
    stream::AGAIN,
    find::NEXT,
    find::BEFORE,
    find::TROUBLE,
    look::CLEAR,
    stream::CLOSE,
];

/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;

fn roomy(ctx: &Context) -> bool {
    ctx.size.0 >= ROOMY
}

/// The tail on top, when it has the keyboard.
fn plain(watch: &mut Watch) -> Option<&mut Tail> {
    if watch.is_plain() { watch.active_mut() } else { None }
}
