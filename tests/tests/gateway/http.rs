//! HTTP/1 as bytes, so that a test sees what a client sees.

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Its lines, in lower case.
    pub headers: String,
    pub body: String,
}

impl Answer {
    /// Of bytes whose end is that of the connection.
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8(bytes.to_vec())?;
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("{text:?}"))?;
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok(Self { status, headers: head.to_lowercase(), body: body.to_owned() })
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{self:?}"))
    }

    /// The message of an error.
    pub fn message(&self) -> String {
        let json = self.json().unwrap_or_default();
        json["message"].as_str().unwrap_or(&self.body).to_owned()
    }
}

/// A POST by HTTP/1.0, whose answers come without chunks.
pub fn request(path: &str, headers: &[&str], body: &str) -> String {
    let headers = [headers, &[""]].concat().join("\r\n");
    let length = body.len();
    format!("POST {path} HTTP/1.0\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// What comes back for `request`, up to the end of the connection.
pub async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> anyhow::Result<Answer> {
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    // TLS is cut off without its own end.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await?;
    Answer::parse(&bytes)
}

pub async fn post(
    address: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    exchange(stream, &request(path, headers, body)).await
}

/// The answer to a request that has to succeed.
pub async fn call(address: &str, path: &str, body: &str) -> anyhow::Result<Value> {
    let answer = post(address, path, &[], body).await?;
    ensure!(answer.status == 200, "{path} {body}: {answer:?}");
    answer.json()
}

/// The first `count` lines of what a POST answers.
pub async fn lines(
    address: &str,
    path: &str,
    headers: &[&str],
    body: &str,
    count: usize,
) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request(path, headers, body).as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        let start =
            bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let mut ends = (start..bytes.len()).filter(|at| bytes.get(*at) == Some(&b'\n'));
        if let Some(end) = ends.nth(count - 1) {
            // More of them may be there already, whole or not.
            bytes.truncate(end);
            return Answer::parse(&bytes);
        }
        let read = timeout(DEADLINE, stream.read_buf(&mut bytes)).await;
        let read = read.with_context(|| String::from_utf8_lossy(&bytes).into_owned())??;
        ensure!(read > 0, "it ends in {}", String::from_utf8_lossy(&bytes));
    }
}

/// A POST whose body and answer go on side by side, in chunks.
pub struct Duplex {
    stream: TcpStream,
    seen: String,
}

impl Duplex {
    pub async fn open(address: &str, path: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        Ok(Self { stream, seen: String::new() })
    }

    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        Ok(self.stream.write_all(chunk.as_bytes()).await?)
    }

    /// Waits until the answer says so.
    pub async fn says(&mut self, words: &str) -> anyhow::Result<()> {
        while !self.seen.contains(words) {
            let mut bytes = Vec::new();
            let read = timeout(DEADLINE, self.stream.read_buf(&mut bytes)).await;
            let read = read.with_context(|| format!("no {words} in {}", self.seen))??;
            ensure!(read > 0, "it ends without {words}: {}", self.seen);
            self.seen += &String::from_utf8_lossy(&bytes);
        }
        Ok(())
    }

    /// Ends the body.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.stream.write_all(b"0\r\n\r\n").await?)
    }
}
