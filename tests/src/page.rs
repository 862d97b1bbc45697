//! The pages of a member.

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The body of `GET path` at `address`, whatever its status.
///
/// # Errors
/// When nobody answers in HTTP there.
pub async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    // By HTTP/1.0, because etcd sends pages to others in chunks.
    let answer = ask(address, &format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n")).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    Ok(body.to_owned())
}

/// The whole answer to `GET path` at `address`, from its status line on.
///
/// # Errors
/// As for [`get`].
pub async fn answer(address: &str, path: &str) -> anyhow::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    ask(address, &request).await
}

async fn ask(address: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await.context(address.to_owned())?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
