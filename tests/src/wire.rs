//! gRPC calls on a bare HTTP/2 connection, for the load generator.
//!
//! The load shares two cores with the servers that it measures. What a full client stack spends on each call (20 us of
//! processor time with tonic's, as much as a server needs) would be taken from both sides and bring their ratio nearer
//! to one. So this speaks HTTP/2 by the crate h2 and frames the messages itself.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};

use anyhow::{Context as _, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Uri, Version, header};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::TlsClient;

/// Flag and length before a message.
const PREFIX_BYTES: usize = 5;
/// Windows large enough that no answer of a load waits for one.
const WINDOW_BYTES: u32 = 1 << 20;

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Dial {
    /// `HOST:PORT`.
    pub address: String,
    /// None for plain text.
    pub tls: Option<TlsClient>,
}

impl Dial {
    /// Connects.
    ///
    /// # Errors
    /// As for [`Wire::connect`].
    pub async fn wire(&self) -> anyhow::Result<Wire> {
        match &self.tls {
            None => Wire::connect(&self.address).await,
            Some(tls) => {
                Wire::over(tls.connect(&self.address).await?, &self.address, WINDOW_BYTES).await
            }
        }
    }
}

/// A connection; clones share it.
#[derive(Clone)]
pub struct Wire {
    streams: SendRequest<Bytes>,
    authority: String,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens at `address`, or it speaks no HTTP/2.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        Self::connect_with_window(address, WINDOW_BYTES).await
    }

    /// Connects; the server may send so many `bytes` that nobody read, on the connection and on each stream.
    ///
    /// # Errors
    /// As for [`Wire::connect`].
    pub async fn connect_with_window(address: &str, bytes: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context(address.to_owned())?;
        stream.set_nodelay(true)?;
        Self::over(stream, address, bytes).await
    }

    async fn over<S>(stream: S, address: &str, bytes: u32) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (streams, connection) = Builder::new()
            .initial_window_size(bytes)
            .initial_connection_window_size(bytes)
            .handshake(Gathering(stream))
            .await?;
        // It ends when the last clone is gone, or with an error that its calls see too.
        tokio::spawn(connection);
        Ok(Self { streams, authority: address.to_owned() })
    }

    /// The method at `path`, such as `/etcdserverpb.KV/Put`, on this connection's server.
    ///
    /// # Errors
    /// When it is no path.
    pub fn method(&self, path: &str) -> anyhow::Result<Uri> {
        Ok(Uri::builder()
            .scheme("http")
            .authority(&*self.authority)
            .path_and_query(path)
            .build()?)
    }

    /// Calls `method` with `message`.
    ///
    /// # Errors
    /// When the connection ends, or the server refuses: the status then stands in the words.
    pub async fn call<R: Message + Default>(
        &mut self,
        method: &Uri,
        message: &impl Message,
    ) -> anyhow::Result<R> {
        let mut call = self.open(method, message, true).await?;
        let mut bytes = BytesMut::new();
        while let Some(data) = call.data().await? {
            bytes.extend_from_slice(&data);
        }
        ensure!(bytes.len() >= PREFIX_BYTES, "an answer without a message");
        Ok(R::decode(bytes.split_off(PREFIX_BYTES))?)
    }

    /// Begins a call of `method` with its first message, which may be the last one. The head of the answer is there
    /// when this returns.
    ///
    /// # Errors
    /// As for [`Wire::call`].
    pub async fn open(
        &mut self,
        method: &Uri,
        message: &impl Message,
        is_last: bool,
    ) -> anyhow::Result<Call> {
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(method.clone())
            .header(header::TE, "trailers")
            .header(header::CONTENT_TYPE, "application/grpc")
            .body(())?;
        std::future::poll_fn(|context| self.streams.poll_ready(context)).await?;
        let (response, mut requests) = self.streams.send_request(request, false)?;
        requests.send_data(frame(message)?, is_last)?;
        let response = response.await?;
        accepted(response.headers(), true)?;
        Ok(Call { requests, answers: response.into_body(), rest: BytesMut::new() })
    }
}

/// A call under way.
pub struct Call {
    requests: SendStream<Bytes>,
    answers: RecvStream,
    /// What came and is no whole message yet.
    rest: BytesMut,
}

impl Call {
    /// Sends a further message.
    ///
    /// # Errors
    /// When the call or its connection has ended.
    pub fn send(&mut self, message: &impl Message) -> anyhow::Result<()> {
        Ok(self.requests.send_data(frame(message)?, false)?)
    }

    /// What came next of the answer, messages with the prefix of each; nothing when it ended well.
    ///
    /// # Errors
    /// As for [`Wire::call`].
    pub async fn data(&mut self) -> anyhow::Result<Option<Bytes>> {
        if let Some(data) = self.answers.data().await {
            let data = data?;
            self.answers.flow_control().release_capacity(data.len())?;
            return Ok(Some(data));
        }
        let trailers = self.answers.trailers().await?.context("an answer without a status")?;
        accepted(&trailers, false)?;
        Ok(None)
    }

    /// The next message of the answer; nothing when it ended well. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// As for [`Wire::call`], and when it is none of this kind.
    pub async fn message<R: Message + Default>(&mut self) -> anyhow::Result<Option<R>> {
        loop {
            if let Some((prefix, body)) = self.rest.split_first_chunk::<PREFIX_BYTES>() {
                let [_, length @ ..] = *prefix;
                let length = usize::try_from(u32::from_be_bytes(length))?;
                if body.len() >= length {
                    let message = self.rest.split_to(PREFIX_BYTES + length).freeze();
                    return Ok(Some(R::decode(message.slice(PREFIX_BYTES..))?));
                }
            }
            match self.data().await? {
                Some(data) => self.rest.extend_from_slice(&data),
                None => return Ok(None),
            }
        }
    }
}

/// A stream that takes one slice at a time. To one that takes several the crate h2 gives every message of 256 bytes and
/// more in a system call of its own; to this it gives those below 1 KiB together.
struct Gathering<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A message as the one frame of a request.
fn frame(message: &impl Message) -> anyhow::Result<Bytes> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length)?);
    message.encode(&mut frame)?;
    Ok(frame.freeze())
}

/// Refuses what does not say that the call went well; at the `head` of an answer a status need not stand.
fn accepted(headers: &HeaderMap, head: bool) -> anyhow::Result<()> {
    match headers.get("grpc-status").map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        None if head => Ok(()),
        _ => bail!("refused: {headers:?}"),
    }
}
