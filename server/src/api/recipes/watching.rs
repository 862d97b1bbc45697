//! [`KeyWatch`]: one watch of the member itself.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use mini_etcd_proto::mvccpb::Event;
use prost::Message as _;

use crate::api::caller::Client;
use crate::api::host::mismatch;
use crate::error::RequestError;
use crate::watch::{Kind, WatchStream};

/// A watch of a key or a range of keys.
pub(super) struct KeyWatch {
    stream: WatchStream,
}

impl KeyWatch {
    /// Watches from a revision on, without the events that `filter` names.
    pub(super) fn new(
        client: &Client,
        (key, range_end): (Bytes, Bytes),
        start_revision: i64,
        filter: Option<FilterType>,
    ) -> Result<Self, RequestError> {
        let Client { host, caller } = client;
        let stream = host.hub().open_stream(false)?;
        let filters = filter.into_iter().map(i32::from).collect();
        let create = WatchCreateRequest {
            key,
            range_end,
            start_revision,
            filters,
            ..WatchCreateRequest::default()
        };
        let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        stream.request(&request, || host.asker(caller, &host.published().auth));
        Ok(Self { stream })
    }

    /// The next events. None when history was given up before they were read: what is there now tells the rest.
    pub(super) async fn next(&self) -> Result<Option<Vec<Event>>, RequestError> {
        loop {
            let response = poll_fn(|context| self.stream.poll_next(context, 0)).await?;
            match &response.kind {
                Kind::Events { .. } => {
                    let mut fields = BytesMut::new();
                    for place in 0..response.event_count() {
                        fields.extend_from_slice(response.event(place).map_or(&[], |field| field));
                    }
                    let decoded = WatchResponse::decode(fields).map_err(|_| mismatch())?;
                    return Ok(Some(decoded.events));
                }
                Kind::Compacted(_) => return Ok(None),
                Kind::Created | Kind::Progress => {}
                Kind::Refused(_) | Kind::Withdrawn(_) => {
                    return Err(RequestError::PermissionDenied);
                }
                Kind::Canceled => return Err(RequestError::WatchCanceled),
            }
        }
    }
}
