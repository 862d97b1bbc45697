//! [`update`]: takes in what has come of requests.

use super::Msg;
use super::load::swap;
use super::{bulk, change, edit, load, search, travel};
use crate::console::{Context, Effect};
use crate::engine::request::Trouble;
use crate::screens::keys::Keys;
use crate::widget::escape_name;

/// Takes in what has come of a request.
pub(super) fn update(keys: &mut Keys, ctx: &mut Context, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Page(asked, page) => load::page_read(keys, ctx, &asked, page),
        Msg::Value(asked, value) => load::value_read(keys, ctx, &asked, value),
        Msg::Live(asked, live) => change::live_read(keys, ctx, asked, live),
        Msg::Edited(asked, text) => edit::edited(keys, ctx, asked, text),
        Msg::Written(asked, written) => change::written(keys, ctx, asked, written),
        Msg::Counted(asked, found) => bulk::counted(ctx, asked, found),
        Msg::Changed(asked, changed) => bulk::changed(keys, ctx, &asked, changed),
        Msg::Versions(asked, versions) => travel::versions_read(keys, ctx, &asked, versions),
        Msg::Changes(changes) => travel::changes_read(keys, ctx, changes),
        Msg::Histogram(histogram) => travel::histogram_read(keys, ctx, histogram),
        Msg::Graves(graves) => travel::graves_read(keys, ctx, graves),
        Msg::Found(found) => search::found(keys, ctx, found),
    };
    effects.extend(keys.work());
    if keys.has_come() {
        effects.extend(swap(keys, ctx));
    }
    effects
}

/// What could not be done is told; what is on screen stays.
pub(super) fn failed(ctx: &mut Context, what: String, mut trouble: Trouble) -> Vec<Effect> {
    if trouble.next.is_empty() {
        "r reads again".clone_into(&mut trouble.next);
    }
    ctx.failed(what, trouble);
    Vec::new()
}

pub(super) fn shown(key: &[u8]) -> String {
    if key.is_empty() { "the keys".to_owned() } else { escape_name(key) }
}
