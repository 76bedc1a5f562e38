//! The real client against the server: many submissions at a time, each with its number in a header.

use std::{
    io,
    sync::{OnceLock, mpsc},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind, ExternalIds, Origin, Submitted, auth::ClientSecretCredential, model::ScanType,
};
use defender_transport::{Body, Clock, HyperTransport, Roots, Transport, clock::Sleep};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use xtask::Failure;

use super::{
    clock::FastTime,
    options::{Ids, Options},
    plan::{Step, step},
    report::{Claim, Report, Waited},
    server::{APPLICATION_ID, Kind, SECRET, SUBMISSION, Server, Settings, TENANT},
};

/// Actions at a time.
const AT_ONCE: usize = 64;

tokio::task_local! {
    /// The submission whose requests a task sends.
    static SUBMITTING: Submitting;
}

/// A submission that is being made.
#[derive(Debug)]
struct Submitting {
    number: u64,
    time: FastTime,
    first_attempt: OnceLock<Timestamp>,
}

/// The real transport, which numbers the requests of each submission.
#[derive(Debug)]
struct Numbered(HyperTransport);

#[async_trait]
impl Transport for Numbered {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, defender_transport::Error> {
        let is_post = *request.method() == Method::POST && request.uri().path().starts_with("/api/machines/");
        let number = SUBMITTING.try_with(|submitting| {
            if is_post {
                submitting.first_attempt.get_or_init(|| submitting.time.now());
            }
            submitting.number
        });
        if let Ok(number) = number {
            request.headers_mut().insert(SUBMISSION, HeaderValue::from(number));
        }
        self.0.send(request).await
    }
}

/// The client's clock: the server's, and so much ahead.
#[derive(Debug, Clone, Copy)]
struct AheadClock {
    time: FastTime,
    ahead: SignedDuration,
}

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        self.time.now() + self.ahead
    }

    fn elapsed(&self) -> Duration {
        self.time.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let time = self.time;
        Box::pin(async move { time.sleep(duration).await })
    }
}

/// Starts the server on a thread of its own, where it stays until the process ends.
pub(super) fn serve(settings: Settings, time: FastTime) -> io::Result<Server> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let _ = sender.send(Server::start(settings, time).await);
            std::future::pending::<io::Result<()>>().await
        })
    });
    receiver.recv().map_err(io::Error::other)?
}

/// Makes every submission of the plan, and returns what the client said of each.
pub(super) async fn drive(options: &Options, server: &Server, ahead: SignedDuration) -> Result<Vec<Report>, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::broken("the client", error);
    let roots = Roots::pem(server.ca.clone()).map_err(|error| broken(&error))?;
    let wire = HyperTransport::builder().roots(roots).build().map_err(|error| broken(&error))?;
    let builder = DefenderClient::builder()
        .credential(ClientSecretCredential::new(TENANT, APPLICATION_ID, SECRET))
        .transport(Numbered(wire))
        .clock(AheadClock { time: server.time, ahead })
        .base_url(server.base())
        .authority(server.base());
    let external_ids = match options.ids {
        Ids::AsGiven => ExternalIds::AsGiven,
        Ids::Generated => ExternalIds::Generated,
    };
    let client = builder.external_ids(external_ids).build().map_err(|error| broken(&error))?;
    let steps = (0..options.actions).map(|number| {
        let step = step(options.seed, number);
        let submitting = Submitting { number, time: server.time, first_attempt: OnceLock::new() };
        SUBMITTING.scope(submitting, submit(client.clone(), server.time, step))
    });
    let mut reports: Vec<Report> = stream::iter(steps).buffer_unordered(AT_ONCE).collect().await;
    reports.sort_by_key(|report| report.submission);
    Ok(reports)
}

async fn submit(client: DefenderClient, time: FastTime, step: Step) -> Report {
    let began = time.now();
    let outcome = send(&client, &step).await;
    let claimed = time.now();
    let first_attempt = SUBMITTING.with(|submitting| submitting.first_attempt.get().copied());
    let (claim, words) = match &outcome {
        Ok(submitted) => (ok(submitted), format!("{:?}", submitted.action())),
        Err(error) => (failed(error), words(error)),
    };
    let waited = match outcome {
        Ok(submitted) if step.wait => Some(wait(&submitted).await),
        _ => None,
    };
    let words = words.chars().take(600).collect();
    Report { submission: step.submission, asked: step.asked, began, first_attempt, claimed, claim, waited, words }
}

/// An action with what every step may want.
macro_rules! performed {
    ($performed:expr, $step:expr) => {{
        let performed = $performed;
        let performed = match &$step.external_id {
            Some(id) => performed.external_id(id),
            None => performed,
        };
        if $step.asked.resend_if_lost { performed.resend_if_lost().await } else { performed.await }
    }};
}

#[expect(clippy::unreachable, reason = "the plan has only what can be parsed")]
async fn send(client: &DefenderClient, step: &Step) -> Result<Submitted, Error> {
    let asked = &step.asked;
    let comment = asked.comment.as_str();
    let Ok(machine) = asked.machine.parse() else { unreachable!("the plan has 40 hex digits") };
    let machine = client.machine(machine);
    let scope = asked.particulars.scope.as_deref();
    match asked.kind {
        Kind::Restrict => performed!(machine.restrict_code_execution(comment), step),
        Kind::Unrestrict => performed!(machine.unrestrict_code_execution(comment), step),
        Kind::Unisolate => performed!(machine.unisolate(comment), step),
        Kind::Collect => performed!(machine.collect_investigation_package(comment), step),
        Kind::Isolate if scope == Some("Selective") => performed!(machine.isolate(comment).selective(), step),
        Kind::Isolate => performed!(machine.isolate(comment), step),
        Kind::Scan => {
            let scan = if scope == Some("Quick") { ScanType::Quick } else { ScanType::Full };
            performed!(machine.run_antivirus_scan(comment, scan), step)
        }
        Kind::Quarantine => {
            let file = asked.particulars.file.as_deref().unwrap_or_default();
            let Ok(file) = file.parse() else { unreachable!("the plan has 40 hex digits") };
            performed!(machine.stop_and_quarantine_file(comment, file), step)
        }
    }
}

fn ok(submitted: &Submitted) -> Claim {
    let id = submitted.id().as_str().to_ascii_lowercase();
    match submitted.origin() {
        Origin::Created => Claim::Created(id),
        Origin::Recovered => Claim::Recovered(id),
        Origin::Joined => Claim::Joined(id),
        other => Claim::NotTaken { kind: format!("{other:?}"), never_sent: true },
    }
}

fn failed(error: &Error) -> Claim {
    if error.is_outcome_unknown() {
        let reason = error.reason().map_or_else(|| "none".to_owned(), |reason| format!("{reason:?}"));
        return Claim::Unknown(reason);
    }
    match error.kind() {
        // What its documentation calls taken, without a record.
        ErrorKind::InvalidResponse => Claim::Unknown("InvalidResponse".to_owned()),
        kind => Claim::NotTaken { kind: format!("{kind:?}"), never_sent: error.never_sent() },
    }
}

async fn wait(submitted: &Submitted) -> Waited {
    match submitted.wait().at_most(Duration::from_secs(20 * 60)).await {
        Ok(action) => Waited::Succeeded(action.id.as_str().to_ascii_lowercase()),
        Err(error) => Waited::Other(format!("{:?}", error.kind())),
    }
}

/// The error and what caused it, in one line.
fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
