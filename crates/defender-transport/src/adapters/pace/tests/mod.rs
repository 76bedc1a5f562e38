//! A server that takes its time, on a clock that takes none.

mod gate;
mod shared;
mod threads;
mod waiting;
mod windows;

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use futures_util::FutureExt;

use super::{scopes::FEW, *};
use crate::{extensions::RateLimit, testing::ManualClock};

const SECOND: Duration = Duration::from_secs(1);

/// Counts calls when they arrive, and answers each as the request says.
#[derive(Clone, Debug)]
struct Server {
    clock: ManualClock,
    arrivals: Arc<Mutex<Vec<(usize, Duration)>>>,
}

/// Response to one request.
#[derive(Clone, Copy, Debug)]
struct Plan {
    number: usize,
    there: Duration,
    back: Duration,
    response: Answer,
}

#[derive(Clone, Copy, Debug, Default)]
enum Answer {
    #[default]
    Fine,
    TooMany(Option<&'static str>),
    /// By a server whose clock is a year behind.
    TooManyAYearAgo(&'static str),
    /// 429, and then the body breaks inside the attempt.
    TooManyAndBroken,
    Broken,
    /// No connection was opened.
    NotConnected,
}

impl Server {
    fn arrivals(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.arrivals.lock().unwrap().iter().map(|&(_, at)| at).collect();
        times.sort_unstable();
        times
    }

    fn order(&self) -> Vec<usize> {
        self.arrivals.lock().unwrap().iter().map(|&(number, _)| number).collect()
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let plan = *request.extensions().get::<Plan>().unwrap();
        if !plan.there.is_zero() {
            self.clock.sleep(plan.there).await;
        }
        self.arrivals.lock().unwrap().push((plan.number, self.clock.elapsed()));
        if !plan.back.is_zero() {
            self.clock.sleep(plan.back).await;
        }
        let response = Response::builder();
        match plan.response {
            Answer::Fine => Ok(response.body(Body::empty()).unwrap()),
            Answer::TooMany(None) => Ok(response.status(429).body(Body::empty()).unwrap()),
            Answer::TooMany(Some(wait)) => {
                Ok(response.status(429).header("retry-after", wait).body(Body::empty()).unwrap())
            }
            Answer::TooManyAYearAgo(wait) => {
                let date = "Wed, 01 Jan 2025 12:00:00 GMT";
                Ok(response.status(429).header("retry-after", wait).header("date", date).body(Body::empty()).unwrap())
            }
            Answer::TooManyAndBroken => {
                Err(Error::new(ErrorKind::Interrupted).with_status(StatusCode::TOO_MANY_REQUESTS))
            }
            Answer::Broken => Err(Error::new(ErrorKind::Interrupted)),
            Answer::NotConnected => Err(Error::new(ErrorKind::Connect)),
        }
    }
}

fn stage() -> (ManualClock, Server, Paced<Server>) {
    let clock = ManualClock::new();
    let server = Server { clock: clock.clone(), arrivals: Arc::default() };
    (clock.clone(), server.clone(), Paced::new(server, clock).total(Duration::MAX))
}

fn plan(number: usize) -> Plan {
    Plan { number, there: Duration::ZERO, back: Duration::ZERO, response: Answer::Fine }
}

fn scope(windows: &[(u32, u32)]) -> RateLimitScope {
    let limits = windows.iter().map(|&(calls, per)| RateLimit { calls, per: SECOND * per }).collect::<Vec<_>>().into();
    RateLimitScope { key: "scope".into(), limits }
}

fn request(scope: &RateLimitScope, plan: Plan) -> Request<Bytes> {
    let request = Request::post("https://example.com/").extension(scope.clone()).extension(plan);
    request.body(Bytes::new()).unwrap()
}

fn within(total: Duration, mut request: Request<Bytes>) -> Request<Bytes> {
    request.extensions_mut().insert(Timeouts::default().total(total));
    request
}

fn block_on<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut run = pin!(clock.run(future));
    loop {
        if let Some(output) = run.as_mut().now_or_never() {
            return output;
        }
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Number of calls that the fullest window holds, counted back from each arrival.
fn held(arrivals: &[Duration], per: Duration) -> usize {
    let mut window = VecDeque::new();
    let held = arrivals.iter().map(|&at| {
        window.push_back(at);
        while window.front().is_some_and(|&first| at >= first + per) {
            window.pop_front();
        }
        window.len()
    });
    held.max().unwrap_or_default()
}

#[track_caller]
fn fullest(arrivals: &[Duration], calls: u32, per: Duration) -> usize {
    let held = held(arrivals, per);
    assert!(held <= calls as usize, "{held} calls within {per:?}, where {calls} may be");
    held
}
