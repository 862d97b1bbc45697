//! `elect`, until a signal.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::SortOrder;
use mini_etcd_proto::etcdserverpb::{RangeResponse, ResponseHeader, WatchCreateRequest};
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_proto::mvccpb::{Event, KeyValue};
use mini_etcd_shared::client::{Client, WatchItem, WatchStream};
use mini_etcd_shared::command::{Elect, SESSION_TTL};
use mini_etcd_shared::failure::{Failure, done, exit, words_of};
use mini_etcd_shared::format::Style;
use mini_etcd_shared::types::prefix_end;

use super::session::{Session, Stop, first, given_up, only, show};

/// Stands for election, or prints who is elected; answers the exit code.
pub(super) async fn run(client: &Client, elect: &Elect, style: Style) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let Some(proposal) = &elect.proposal else {
        return tokio::select! {
            lost = observe(client, &elect.name, style) => lost.map(|()| 0),
            () = stop.asked() => Ok(0),
        };
    };
    let mut session = Session::start(client, SESSION_TTL).await?;
    let ended = stand(client, (&elect.name, proposal), style, (&mut session, &mut stop)).await;
    session.end().await;
    ended.map(|()| 0)
}

async fn stand(
    client: &Client,
    (name, proposal): (&Bytes, &Bytes),
    style: Style,
    (session, stop): (&mut Session, &mut Stop),
) -> Result<(), Failure> {
    let held = tokio::select! {
        held = session.acquire(name, proposal) => held?,
        () = stop.asked() => return Err(given_up()),
    };
    show(done(client.range(only(&held.key)).await)?, style)?;
    tokio::select! {
        () = stop.asked() => Ok(()),
        () = session.lost() => Err(Failure::new(exit::ERROR, "elect: session expired")),
    }
}

/// Prints who is elected and what they say, again whenever that changes.
async fn observe(client: &Client, name: &Bytes, style: Style) -> Result<(), Failure> {
    let prefix = [name.as_ref(), b"/"].concat();
    loop {
        let answer = done(client.range(first(&prefix, SortOrder::Ascend)).await)?;
        let mut now = answer.header.map_or(0, |header| header.revision);
        let mut head = answer.header.unwrap_or_default();
        let elected = if let Some(elected) = answer.kvs.into_iter().next() {
            elected
        } else {
            let mut all = watch(client, &prefix, prefix_end(&prefix), now + 1);
            let news = news(&mut all).await?;
            let Some(elected) = news.puts.into_iter().next() else { continue };
            (head, now) = (news.header, elected.mod_revision);
            elected
        };
        let mut own = watch(client, &elected.key, Bytes::new(), now + 1);
        show(one(head, elected), style)?;
        loop {
            let news = news(&mut own).await?;
            for elected in news.puts {
                let header = ResponseHeader { revision: elected.mod_revision, ..news.header };
                show(one(header, elected), style)?;
            }
            if news.gone {
                break;
            }
        }
    }
}

fn one(header: ResponseHeader, elected: KeyValue) -> RangeResponse {
    RangeResponse { header: Some(header), kvs: vec![elected], ..RangeResponse::default() }
}

fn watch(client: &Client, key: &[u8], range_end: Bytes, revision: i64) -> WatchStream {
    let request = WatchCreateRequest {
        key: Bytes::copy_from_slice(key),
        range_end,
        start_revision: revision,
        ..WatchCreateRequest::default()
    };
    client.watch(request).require_leader()
}

/// What happened to the keys of an election.
#[derive(Default)]
struct News {
    header: ResponseHeader,
    /// What was put, up to the first deletion.
    puts: Vec<KeyValue>,
    /// Whether one was deleted, or may have been: then one has to look again who is elected.
    gone: bool,
}

async fn news(stream: &mut WatchStream) -> Result<News, Failure> {
    while let Some(item) = stream.next().await {
        match item {
            WatchItem::Events(answer) => {
                let put = |event: &Event| event.r#type() == EventType::Put;
                let gone = !answer.events.iter().all(put);
                let puts = answer.events.into_iter().take_while(put);
                let puts = puts.filter_map(|event| event.kv).collect();
                return Ok(News { header: answer.header.unwrap_or_default(), puts, gone });
            }
            WatchItem::Canceled(answer) if answer.compact_revision != 0 => {
                return Ok(News { gone: true, ..News::default() });
            }
            WatchItem::Canceled(_) => break,
            WatchItem::Refused(error) => {
                return Err(Failure::new(exit::ERROR, words_of(&error)));
            }
            _ => {}
        }
    }
    Err(Failure::new(exit::ERROR, "elect: observer lost"))
}
