//! A way to a server that can be made bad: it stalls, is reset, refuses everything, or is gone.

use std::io;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tonic::body::Body;

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it should be.
    Open,
    /// Connections stand, and nothing comes through.
    Stalls,
    /// Every connection is reset as soon as it stands.
    Resets,
    /// A server that answers every call with a refusal.
    Denies,
    /// Through to the server, and nothing of what only mini-etcd offers.
    Stock,
    /// Nobody listens.
    Gone,
}

/// The proxy; ends with the test.
pub struct Proxy {
    way: watch::Sender<Way>,
}

impl Proxy {
    /// One at `front`, before the server at `back`.
    pub fn start(front: &str, back: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (way, seen) = watch::channel(Way::Open);
        let (front, back) = (front.to_owned(), back.to_owned());
        // Ends with the proxy, for then nobody can change the way any more.
        std::thread::spawn(move || runtime.block_on(listen(front, back, seen)));
        Self { way }
    }

    /// From now on the way is so; what stood before goes with a change, except that it may stall.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn listen(front: String, back: String, seen: watch::Receiver<Way>) {
    let mut way = seen.clone();
    while way.wait_for(|way| *way != Way::Gone).await.is_ok() {
        let listener = TcpListener::bind(&front).await.unwrap();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    tokio::spawn(serve(accepted.unwrap().0, back.clone(), seen.clone()));
                }
                gone = way.wait_for(|way| *way == Way::Gone) => match gone {
                    Ok(_) => break,
                    Err(_) => return,
                },
            }
        }
    }
}

async fn serve(stream: TcpStream, back: String, mut way: watch::Receiver<Way>) {
    let began = *way.borrow_and_update();
    match began {
        Way::Gone => {}
        Way::Resets => reset(&stream),
        Way::Denies | Way::Stock => {
            tokio::select! {
                _ended = answer(stream, &back, began) => {}
                _other = way.wait_for(|way| *way != began) => {}
            }
        }
        Way::Open | Way::Stalls => {
            let Ok(onward) = TcpStream::connect(back).await else { return };
            let (mut from, mut to) = stream.into_split();
            let (mut answers, mut questions) = onward.into_split();
            tokio::select! {
                _ended = copy(&mut from, &mut questions, way.clone()) => {}
                _ended = copy(&mut answers, &mut to, way.clone()) => {}
                _other = way.wait_for(|way| !matches!(way, Way::Open | Way::Stalls)) => {}
            }
            if *way.borrow() == Way::Resets
                && let Ok(stream) = from.reunite(to)
            {
                reset(&stream);
            }
        }
    }
}

/// Answers calls, by itself or as the server does.
async fn answer(stream: TcpStream, back: &str, way: Way) -> io::Result<()> {
    let onward = TokioIo::new(TcpStream::connect(back).await?);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(onward).await.map_err(io::Error::other)?;
    let service = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut sender = sender.clone();
        async move {
            let refusal = if way == Way::Denies {
                tonic::Status::permission_denied("etcdserver: permission denied")
            } else if request.uri().path().starts_with("/minietcd.admin") {
                tonic::Status::unimplemented("unknown service")
            } else {
                return Ok(sender.send_request(request).await?.map(Body::new));
            };
            Ok::<_, hyper::Error>(refusal.into_http())
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let answers = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::select! {
        ended = connection => ended.map_err(io::Error::other),
        ended = answers => ended.map_err(io::Error::other),
    }
}

/// What is closed now is closed with a reset.
fn reset(stream: &TcpStream) {
    let _set = stream.set_zero_linger();
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut way: watch::Receiver<Way>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if way.wait_for(|way| *way != Way::Stalls).await.is_err() {
            return Ok(());
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
    }
}
