//! The server of the requests, which counts arrivals.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use defender_store::conformance::fullest_window;
use defender_transport::extensions::RateLimit;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::world::{Outcome, ensure, text};

/// It notes a request as it arrives, and responds after 5 to 50 milliseconds.
pub(crate) struct Judge {
    pub(crate) address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Duration>>>,
}

impl Judge {
    pub(crate) async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (noted, began) = (Arc::clone(&arrivals), Instant::now());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted), began));
            }
        });
        Ok(Self { address, arrivals })
    }

    pub(crate) fn arrivals(&self) -> Vec<Duration> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` requests have arrived.
    pub(crate) async fn wait_for(&self, count: usize) -> Outcome {
        let began = Instant::now();
        while self.arrivals().len() < count {
            let is_late = began.elapsed() > Duration::from_secs(60);
            ensure!(!is_late, "{} of {count} requests arrived within a minute", self.arrivals().len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(crate) fn check(&self, limits: &[RateLimit]) -> Outcome {
        let arrivals = self.arrivals();
        for limit in limits {
            let fullest = fullest_window(&arrivals, limit.per);
            let is_kept = u32::try_from(fullest).is_ok_and(|fullest| fullest <= limit.calls);
            ensure!(is_kept, "{fullest} requests arrived within {:?}, and the limit is {}", limit.per, limit.calls);
        }
        Ok(())
    }

    /// Number of requests within this time since the first.
    pub(crate) fn within(&self, time: Duration) -> usize {
        let arrivals = self.arrivals();
        let Some(first) = arrivals.iter().min() else { return 0 };
        arrivals.iter().filter(|arrival| arrival.saturating_sub(*first) < time).count()
    }
}

async fn serve(mut stream: TcpStream, noted: Arc<Mutex<Vec<Duration>>>, began: Instant) {
    let mut request = [0];
    while stream.read_exact(&mut request).await.is_ok() {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..50))).await;
        if stream.write_all(&request).await.is_err() {
            return;
        }
    }
}
