//! What a server says first, and that it says anything at all: an observer between socket and HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_rustls::rustls::Error as TlsError;

use super::tls::said;

/// Bytes of the header of an HTTP/2 frame.
const HEADER_BYTES: usize = 9;
/// The type of a SETTINGS frame, which is what an HTTP/2 server begins with.
const SETTINGS: u8 = 4;

/// What a server said first.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FirstWord {
    /// SETTINGS of HTTP/2: it is ready.
    Settings,
    /// A record of TLS.
    Tls,
    /// HTTP/1.
    Http1,
    /// Something else.
    Foreign,
    /// Nothing: the connection ended, with this word of TLS if there was one.
    Closed(Option<TlsError>),
}

/// Whether a record of TLS begins so: an alert or a handshake, of major version 3.
pub(super) fn is_tls(head: &[u8]) -> bool {
    matches!(head, [0x15 | 0x16, 3, ..])
}

/// Whether what was said in plain text is HTTP.
pub(super) fn is_plain(head: &[u8]) -> bool {
    matches!(word_of(head), Some(FirstWord::Settings | FirstWord::Http1))
}

/// What `head` says; `None` while it may become anything.
fn word_of(head: &[u8]) -> Option<FirstWord> {
    match head {
        _ if is_tls(head) => Some(FirstWord::Tls),
        [b'H', b'T', b'T', b'P', ..] => Some(FirstWord::Http1),
        [_, _, _, SETTINGS, _, 0, 0, 0, 0] => Some(FirstWord::Settings),
        _ if head.len() >= HEADER_BYTES => Some(FirstWord::Foreign),
        _ => None,
    }
}

/// Signs of life of a connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// How often something was read.
    beats: AtomicU64,
    /// A request waits on it longer than usual, and nothing was read since.
    quiet: AtomicBool,
}

impl Pulse {
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Acquire)
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Acquire)
    }

    /// Whether nothing came since there were so many beats.
    pub fn is_silent_since(&self, beats: u64) -> bool {
        self.beats() == beats
    }

    /// Notes that it is silent; answers whether that is new.
    pub fn note_silence(&self) -> bool {
        !self.quiet.swap(true, Ordering::AcqRel)
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::AcqRel);
        self.quiet.store(false, Ordering::Release);
    }
}

/// A socket that tells what it reads.
pub(super) struct Heard<T> {
    io: T,
    pulse: Arc<Pulse>,
    head: Vec<u8>,
    tell: Option<oneshot::Sender<FirstWord>>,
}

impl<T> Heard<T> {
    pub fn new(io: T, pulse: Arc<Pulse>) -> (Self, oneshot::Receiver<FirstWord>) {
        let (tell, told) = oneshot::channel();
        (Self { io, pulse, head: Vec::with_capacity(HEADER_BYTES), tell: Some(tell) }, told)
    }

    fn hear(&mut self, bytes: &[u8]) {
        if self.tell.is_none() {
            return;
        }
        let missing = HEADER_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        if let Some(word) = word_of(&self.head) {
            self.tell(word);
        }
    }

    fn tell(&mut self, word: FirstWord) {
        if let Some(tell) = self.tell.take() {
            // Whoever dialled may have given up.
            let _ = tell.send(word);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.io).poll_read(context, buf));
        match &result {
            Err(error) => this.tell(FirstWord::Closed(said(error))),
            Ok(()) => match buf.filled().get(before..).unwrap_or_default() {
                [] if !this.head.is_empty() => this.tell(FirstWord::Foreign),
                [] => this.tell(FirstWord::Closed(None)),
                bytes => {
                    this.pulse.beat();
                    this.hear(bytes);
                }
            },
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_who_answers() {
        assert_eq!(word_of(&[0, 0, 18, 4, 0, 0, 0, 0, 0]), Some(FirstWord::Settings));
        assert_eq!(word_of(&[0, 0, 8, 7, 0, 0, 0, 0, 0]), Some(FirstWord::Foreign));
        assert_eq!(word_of(&[0x15, 3, 1, 0, 2, 2, 70]), Some(FirstWord::Tls));
        assert_eq!(word_of(b"HTTP/1.1 "), Some(FirstWord::Http1));
        assert_eq!(word_of(b"SSH-2.0-x"), Some(FirstWord::Foreign));
        assert_eq!(word_of(&[0, 0, 18, 4]), None);
    }
}
