//! Shared by the examples: an emulator inside the example, and its client. With the real service, the client is
//! `DefenderClient::from_env()`.
#![allow(dead_code, reason = "each example uses a part of this module")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

use std::{error::Error, fmt, process::ExitCode, sync::Arc, time::Duration};

use defender_actions::{
    DefenderClient, DefenderClientBuilder,
    auth::ClientSecretCredential,
    model::MachineId,
    transport::{Clock, HyperTransport, Roots, SystemClock, Transport, clock::Sleep},
};
use defender_emulator::{Emulator, EmulatorBuilder};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub(crate) const THIS_IS: &str = "This is the emulator: no real machine is touched.";

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Emulator whose actions end at once, with its client over TLS on loopback. The emulator stops when this value is dropped.
pub(crate) struct Embedded {
    pub(crate) emulator: Emulator,
    pub(crate) defender: DefenderClient,
}

impl Embedded {
    pub(crate) async fn start() -> Result<Self, Failure> {
        Self::with(|emulator| emulator).await
    }

    /// Starts an emulator with further settings.
    pub(crate) async fn with(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Result<Self, Failure> {
        let at_once = Emulator::builder().pending_for(Duration::ZERO).running_for(Duration::ZERO);
        let emulator = set(at_once).start().await?;
        let defender = client(&emulator, transport(&emulator)?).build()?;
        Ok(Self { emulator, defender })
    }
}

/// Returns a transport that trusts the emulator's certificate, which is generated at its start.
pub(crate) fn transport(emulator: &Emulator) -> Result<HyperTransport, Failure> {
    Ok(HyperTransport::builder().roots(Roots::pem(emulator.ca_pem())?).build()?)
}

/// Returns the builder of a client of the emulator, over a transport that reaches it.
pub(crate) fn client(emulator: &Emulator, transport: impl Transport + 'static) -> DefenderClientBuilder {
    let (tenant, client, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    DefenderClient::builder()
        .credential(ClientSecretCredential::new(tenant, client, secret))
        .transport(transport)
        .base_url(emulator.base_url())
        .authority(emulator.authority())
        .audience(emulator.audience())
        .wait_poll(Duration::from_millis(100), Duration::from_secs(1)) // keeps the examples short
}

/// Returns the builder of an emulator whose actions take a moment.
pub(crate) fn in_a_moment() -> EmulatorBuilder {
    Emulator::builder().pending_for(Duration::from_millis(200)).running_for(Duration::from_millis(200))
}

/// Returns the id of the emulator's first machine.
pub(crate) fn machine(emulator: &Emulator) -> Result<MachineId, Failure> {
    Ok(emulator.machine_ids().first().ok_or("the emulator has no machine")?.parse()?)
}

/// Runs an example. Prints a notice before and after it, and its error.
pub(crate) async fn run(example: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    println!("{THIS_IS}\n");
    let code = match example.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    };
    println!("\n{THIS_IS}");
    code
}

/// Returns an error and its causes in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}

/// Returns a clock that begins at noon of yesterday, in UTC, for an emulator with actions of yesterday.
pub(crate) fn yesterday() -> Arc<dyn Clock> {
    let clock = SystemClock::new();
    let now = clock.now();
    let noon = now.to_zoned_datetime(TimeZone::UTC).yesterday().and_then(|day| day.with().hour(12).build());
    let behind = noon.map_or(SignedDuration::ZERO, |noon| now.duration_since(noon.timestamp()));
    Arc::new(Behind { clock, behind })
}

/// Clock that is behind another clock.
struct Behind {
    clock: SystemClock,
    behind: SignedDuration,
}

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now.checked_sub(self.behind).unwrap_or(now)
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").field("behind", &self.behind).finish_non_exhaustive()
    }
}
