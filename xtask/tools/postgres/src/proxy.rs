//! A proxy before the server, which is slow, loses responses or refuses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};

use crate::world::text;

/// Behavior of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    Forward,
    /// Responses come half a second late.
    Slow,
    /// Responses do not come, and connections stay open.
    Hang,
    /// The next response on each open connection is lost with its connection. New connections are forwarded.
    Lose,
    /// The same, and new connections are refused.
    LoseAndRefuse,
    /// The same as `Lose` for the response after the next one.
    LoseSecond,
}

const MODES: [Mode; 6] = [Mode::Forward, Mode::Slow, Mode::Hang, Mode::Lose, Mode::LoseAndRefuse, Mode::LoseSecond];

/// A proxy. It ends with the runtime.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let port = listener.local_addr().map_err(text)?.port();
        let mode = Arc::new(AtomicU8::new(Mode::Forward as u8));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let made_in = now(&shared);
                if made_in != Mode::LoseAndRefuse
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await
                {
                    tokio::spawn(forward(client, server, made_in, Arc::clone(&shared)));
                }
            }
        });
        Ok(Self { port, mode })
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }
}

fn now(mode: &AtomicU8) -> Mode {
    MODES.get(usize::from(mode.load(Ordering::SeqCst))).copied().unwrap_or(Mode::Forward)
}

/// Forwards both directions until one of them ends.
async fn forward(client: TcpStream, server: TcpStream, made_in: Mode, mode: Arc<AtomicU8>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = requests(from_client, to_server) => {}
        () = responses(from_server, to_client, made_in, &mode) => {}
    }
}

async fn requests(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf) {
    let mut buffer = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

async fn responses(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, made_in: Mode, mode: &AtomicU8) {
    let mut buffer = [0; 16_384];
    let mut is_second = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        match now(mode) {
            // The response is here, so that the server has committed.
            Mode::Lose | Mode::LoseAndRefuse if made_in != Mode::Lose => return,
            Mode::LoseSecond if made_in != Mode::LoseSecond => {
                if is_second {
                    return;
                }
                is_second = true;
            }
            Mode::Slow => tokio::time::sleep(Duration::from_millis(500)).await,
            Mode::Hang => continue,
            _ => {}
        }
        if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
