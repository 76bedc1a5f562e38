//! A proxy that requires a password, and opens tunnels to ports of this machine, whatever the name of the host.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Proxy, whose threads end with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    tunnels: Arc<AtomicU32>,
}

impl Proxy {
    pub(crate) fn start(user: &str, password: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self { address: listener.local_addr()?, tunnels: Arc::default() };
        let expected =
            format!("proxy-authorization: basic {}", STANDARD.encode(format!("{user}:{password}"))).to_lowercase();
        let tunnels = Arc::clone(&proxy.tunnels);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (expected, tunnels) = (expected.clone(), Arc::clone(&tunnels));
                thread::spawn(move || serve(client, &expected, &tunnels));
            }
        });
        Ok(proxy)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of tunnels that were opened.
    pub(crate) fn tunnels(&self) -> u32 {
        self.tunnels.load(Ordering::Relaxed)
    }
}

fn serve(mut client: TcpStream, expected: &str, tunnels: &AtomicU32) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    if !head.contains(expected) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    let port = head.split(' ').nth(1).and_then(|host| host.rsplit(':').next()?.parse::<u16>().ok()).unwrap_or_default();
    let mut service = TcpStream::connect(("127.0.0.1", port))?;
    tunnels.fetch_add(1, Ordering::Relaxed);
    client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")?;
    let (mut from_client, mut to_service) = (client.try_clone()?, service.try_clone()?);
    thread::spawn(move || {
        let _copied = io::copy(&mut from_client, &mut to_service);
        let _closed = to_service.shutdown(Shutdown::Write);
    });
    io::copy(&mut service, &mut client)?;
    client.shutdown(Shutdown::Write)
}
