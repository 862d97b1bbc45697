//! Clients that put.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use mini_etcd_tests::wire::Dial;

use crate::{Phase, Target};

pub const PUT: &str = "/etcdserverpb.KV/Put";

/// Puts to do, of one size.
pub struct Puts {
    pub dial: Dial,
    /// Clients at once.
    pub writers: usize,
    pub value_bytes: usize,
    /// Most puts in a second of all together; 0 for as many as go.
    pub per_second: u32,
}

impl Puts {
    /// So many puts alone, before the load that is measured.
    pub async fn alone(&self, target: &Target, count: u64) -> anyhow::Result<Phase> {
        self.phase("puts alone", target, count).await
    }

    /// So many puts and nothing else, under a name of their own.
    pub async fn phase(
        &self,
        name: &'static str,
        target: &Target,
        count: u64,
    ) -> anyhow::Result<Phase> {
        Phase::run(name, target, async {
            let done = self.run(|number| number < count).await?;
            Ok(vec![format!("{done} puts of {} bytes", self.value_bytes)])
        })
        .await
    }

    /// Puts below `/w/` as long as `more`, asked with the number of puts begun before, says so. Answers the number.
    pub async fn run(&self, more: impl Fn(u64) -> bool) -> anyhow::Result<u64> {
        let begun = Rc::new(Cell::new(0));
        let value = Bytes::from(vec![b'v'; self.value_bytes]);
        let start = Instant::now();
        let writers = (0..self.writers).map(|_| async {
            let mut wire = self.dial.wire().await?;
            let method = wire.method(PUT)?;
            while more(begun.get()) {
                let number = begun.replace(begun.get() + 1);
                if self.per_second > 0 {
                    let due = Duration::from_secs(number) / self.per_second;
                    tokio::time::sleep(due.saturating_sub(start.elapsed())).await;
                }
                let key = format!("/w/{:04}", number % 1000).into();
                let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
                wire.call::<PutResponse>(&method, &put).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(writers).await?;
        Ok(begun.get())
    }
}
