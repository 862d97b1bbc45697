//! The past as the admin service shows it, from outside: histories of keys, counts over revisions, removed keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use bytes::Bytes;
use mini_etcd_proto::adminpb::key_version::Kind;
use mini_etcd_proto::adminpb::{
    DeletedKey, DeletedRequest, KeyHistoryRequest, KeyVersion, RevisionHistogramRequest,
    RevisionHistogramResponse,
};
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest,
};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint, Offered, further, older};
use mini_etcd_shared::error::ClientError;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tonic::Code;

/// More pages than any of these tests reads.
const PAGES_MAX: usize = 10_000;

fn client(cluster: &Cluster, index: usize) -> anyhow::Result<Client> {
    let endpoint = cluster.member(index)?.address.clone();
    let endpoint = Endpoint::parse(&endpoint)?;
    Ok(Client::new(ClientConfig::new(vec![endpoint]))?)
}

async fn put(client: &Client, key: &[u8], value: &[u8]) -> anyhow::Result<i64> {
    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    let answer = client.put(PutRequest { key, value, ..PutRequest::default() }).await;
    Ok(answer.into_result()?.header.context("a header")?.revision)
}

async fn delete(client: &Client, key: &[u8]) -> anyhow::Result<i64> {
    let key = Bytes::copy_from_slice(key);
    let answer = client.delete_range(DeleteRangeRequest { key, ..Default::default() }).await;
    Ok(answer.into_result()?.header.context("a header")?.revision)
}

fn offered<T>(offered: Offered<T>) -> anyhow::Result<T> {
    offered.answer().context("not offered")
}

async fn history(client: &Client, key: &[u8], limit: u32) -> anyhow::Result<Vec<KeyVersion>> {
    let key = Bytes::copy_from_slice(key);
    let mut request = KeyHistoryRequest { key, limit, values: true, ..Default::default() };
    let mut versions = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = offered(client.key_history(request.clone()).await?)?;
        let next = older(&request, &page);
        versions.extend(page.versions);
        match next {
            Some(next) => request = next,
            None => return Ok(versions),
        }
    }
    anyhow::bail!("no end of pages")
}

async fn deleted(client: &Client, request: DeletedRequest) -> anyhow::Result<Vec<DeletedKey>> {
    let (mut request, mut keys) = (request, Vec::new());
    for _ in 0..PAGES_MAX {
        let page = offered(client.deleted(request.clone()).await?)?;
        let next = further(&request, &page);
        keys.extend(page.keys);
        match next {
            Some(next) => request = next,
            None => return Ok(keys),
        }
    }
    anyhow::bail!("no end of pages")
}

fn sums(histogram: &RevisionHistogramResponse) -> (u64, u64) {
    histogram.slices.iter().fold((0, 0), |sum, slice| (sum.0 + slice.puts, sum.1 + slice.deletes))
}

fn refused<T>(answer: Result<Offered<T>, ClientError>) -> String {
    match answer {
        Ok(_) => "answered".to_owned(),
        Err(error) => format!("{:?}: {error}", error.code()),
    }
}

/// Goal: a key's lives, with raw bytes, large values and a compaction, as they were written.
/// Method: two lives of one key through a real member, read back in pages of every size.
#[tokio::test]
async fn a_keys_lives_are_read_back_as_they_were_written() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let client = client(&cluster, 0)?;
    let (key, large) = (b"raw\xff\0\x1b[2J".as_slice(), vec![7_u8; 1 << 20]);
    let first = put(&client, key, b"1").await?;
    let second = put(&client, key, &large).await?;
    let removed = delete(&client, key).await?;
    let third = put(&client, key, b"").await?;
    let version = |mod_revision, create_revision, version, value: &[u8]| KeyVersion {
        mod_revision,
        create_revision,
        version,
        value_size: value.len() as u64,
        value: Bytes::copy_from_slice(value),
        ..KeyVersion::default()
    };
    let end =
        KeyVersion { mod_revision: removed, kind: Kind::Delete.into(), ..KeyVersion::default() };
    let all = [
        version(third, third, 1, b""),
        end.clone(),
        version(second, first, 2, &large),
        version(first, first, 1, b"1"),
    ];
    for limit in [0, 1, 2, 3, 1000] {
        ensure!(history(&client, key, limit).await? == all, "in pages of {limit}");
    }
    let request = KeyHistoryRequest { key: Bytes::copy_from_slice(key), ..Default::default() };
    let page = offered(client.key_history(request.clone()).await?)?;
    ensure!(page.compact_revision == -1 && page.revision == third && !page.more, "{page:?}");
    ensure!(page.versions.iter().all(|version| version.value.is_empty()), "no values asked for");
    ensure!(page.versions[2].value_size == 1 << 20, "{:?}", page.versions[2]);

    client.compact(CompactionRequest { revision: removed, physical: true }).await.into_result()?;
    ensure!(history(&client, key, 1).await? == [all[0].clone(), end], "after the compaction");
    let page = offered(client.key_history(request).await?)?;
    ensure!(page.compact_revision == removed, "{page:?}");
    Ok(())
}

/// Goal: answers are bounded in bytes: ten values of 1 MiB come in several pages, each small enough for a client
/// that takes 4 MiB.
#[tokio::test]
async fn pages_of_large_values_fit_the_clients_of_least_patience() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let client = client(&cluster, 0)?;
    for _ in 0..10 {
        put(&client, b"large", &vec![1; 1 << 20]).await?;
    }
    let request =
        KeyHistoryRequest { key: "large".into(), limit: 1000, values: true, ..Default::default() };
    // The generated client, with its own limit of 4 MiB.
    let channel = cluster.channel(0)?;
    let mut admin = mini_etcd_proto::adminpb::admin_client::AdminClient::new(channel);
    let page = admin.key_history(request).await?.into_inner();
    ensure!(page.more && (1..4).contains(&page.versions.len()), "{}", page.versions.len());
    ensure!(history(&client, b"large", 1000).await?.len() == 10);
    Ok(())
}

/// Goal: what is wrong with a request is named; revisions that are not there have etcd's words.
#[tokio::test]
async fn requests_that_cannot_be_answered_are_refused_by_name() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let client = client(&cluster, 0)?;
    let revision = put(&client, b"k", b"v").await?;
    client.compact(CompactionRequest { revision, physical: false }).await.into_result()?;
    let future = RevisionHistogramRequest { to_revision: revision + 99, ..Default::default() };
    ensure!(refused(client.revision_histogram(future).await).contains("future revision"));
    let past = RevisionHistogramRequest { from_revision: 1, ..Default::default() };
    ensure!(refused(client.revision_histogram(past).await).contains("has been compacted"));
    let slices = RevisionHistogramRequest { slices: 1001, ..Default::default() };
    assert_eq!(
        refused(client.revision_histogram(slices).await),
        "InvalidArgument: mini-etcd: slices is 1001: at most 1000, or 0 for 100"
    );
    let resume = RevisionHistogramRequest { resume: "x".into(), ..Default::default() };
    ensure!(refused(client.revision_histogram(resume).await).contains("resume is"));
    let empty = client.key_history(KeyHistoryRequest::default()).await;
    assert_eq!(refused(empty), "InvalidArgument: etcdserver: key is not provided");
    let gone = DeletedRequest { revision: revision - 1, ..Default::default() };
    let code = client.deleted(gone).await.map(|_| ()).map_err(|error| error.code());
    assert_eq!(code, Err(Code::OutOfRange));
    Ok(())
}

/// Goal: while writes and compactions go on, every answer is one moment's truth. Method: one task writes and removes
/// keys through one member and compacts now and then; meanwhile the past is read from every member, and each answer
/// is held against the etcd API at the same revision.
#[tokio::test]
async fn answers_hold_while_writes_go_on() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let writer = client(&cluster, 0)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let (mut round, mut compacted) = (0_u64, 0);
        while !stopped.load(Ordering::Relaxed) {
            let key = format!("w/{:02}", round % 20);
            let revision = put(&writer, key.as_bytes(), format!("{round}").as_bytes()).await?;
            if round % 3 == 0 {
                delete(&writer, key.as_bytes()).await?;
            }
            if round % 100 == 99 {
                let request = CompactionRequest { revision: revision - 40, physical: false };
                writer.compact(request).await.into_result()?;
                compacted += 1;
            }
            round += 1;
        }
        anyhow::Ok((round, compacted))
    });
    let checked = read_while_written(&cluster).await;
    stop.store(true, Ordering::Relaxed);
    let (rounds, compacted) = writing.await??;
    let checked = checked?;
    ensure!(compacted > 0 && rounds > 100 && checked > 10, "{rounds} {compacted} {checked}");
    Ok(())
}

/// Reads until enough was seen; answers how many checks met no compaction.
async fn read_while_written(cluster: &Cluster) -> anyhow::Result<usize> {
    let mut checked = 0;
    let first = offered(client(cluster, 0)?.deleted(DeletedRequest::default()).await?)?.revision;
    for round in 0..PAGES_MAX {
        let client = client(cluster, round % cluster.size())?;
        checked += usize::from(check_deleted(&client).await?);
        checked += usize::from(check_histogram(&client).await?);
        let versions = history(&client, b"w/00", 3).await?;
        let ids = versions.iter().map(|version| (version.mod_revision, version.sub));
        ensure!(ids.rev().is_sorted_by(|a, b| a < b), "newest first, each once");
        let now = offered(client.deleted(DeletedRequest::default()).await?)?.revision;
        if checked > 100 && now > first + 500 {
            break;
        }
    }
    Ok(checked)
}

/// No removed key is there at the revision, and its last version was there before; false when that was compacted.
async fn check_deleted(client: &Client) -> anyhow::Result<bool> {
    let request = DeletedRequest {
        key: "w/".into(),
        range_end: "w0".into(),
        limit: 7,
        ..DeletedRequest::default()
    };
    let page = offered(client.deleted(request.clone()).await?)?;
    let mut keys = page.keys.clone();
    if let Some(rest) = further(&request, &page) {
        match deleted(client, rest).await {
            Ok(more) => keys.extend(more),
            Err(error) if format!("{error:#}").contains("compacted") => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    ensure!(keys.is_sorted_by(|a, b| a.key < b.key), "in order, each once");
    for (key, revision, expected) in keys.iter().flat_map(|found| {
        let before = found.last.as_ref().map(|last| (&found.key, last.mod_revision, Some(last)));
        std::iter::once((&found.key, page.revision, None)).chain(before)
    }) {
        let range = RangeRequest {
            key: key.clone(),
            revision,
            serializable: true,
            ..RangeRequest::default()
        };
        let answer = match client.range(range).await.into_result() {
            Ok(answer) => answer,
            Err(error) if error.code() == Code::OutOfRange => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let found = answer
            .kvs
            .first()
            .map(|kv| (kv.mod_revision, kv.create_revision, kv.version, kv.value.len() as u64));
        let expected = expected
            .map(|last| (last.mod_revision, last.create_revision, last.version, last.value_size));
        ensure!(found == expected, "{key:?} at {revision}: {found:?}, {expected:?}");
    }
    Ok(true)
}

/// The counts of a window do not change with the writes after it, nor with the slices.
async fn check_histogram(client: &Client) -> anyhow::Result<bool> {
    let fine = offered(client.revision_histogram(RevisionHistogramRequest::default()).await?)?;
    let window = RevisionHistogramRequest {
        from_revision: fine.from_revision,
        to_revision: fine.to_revision,
        slices: 1,
        ..RevisionHistogramRequest::default()
    };
    let coarse = match client.revision_histogram(window).await {
        Ok(answer) => offered(answer)?,
        Err(error) if error.code() == Code::OutOfRange => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    ensure!(sums(&fine) == sums(&coarse), "{:?} and {:?}", sums(&fine), sums(&coarse));
    let firsts: BTreeMap<i64, i64> =
        fine.slices.iter().map(|slice| (slice.first_revision, slice.last_revision)).collect();
    ensure!(firsts.len() == fine.slices.len() && fine.slices.len() <= 100);
    Ok(true)
}
