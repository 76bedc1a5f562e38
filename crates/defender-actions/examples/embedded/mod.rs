//! What the examples share: an emulator of the service inside the example itself, and a client of it. With the real service there is
//! `DefenderClient::builder().credential(..).build()` in its place.
#![allow(dead_code, reason = "each example uses what it needs of it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to whoever runs it")]

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

/// An emulator whose actions end at once, and a client of it over TLS on loopback. The emulator stays while this does.
pub(crate) struct Embedded {
    pub(crate) emulator: Emulator,
    pub(crate) defender: DefenderClient,
}

impl Embedded {
    pub(crate) async fn start() -> Result<Self, Failure> {
        Self::with(|emulator| emulator).await
    }

    /// With an emulator that is set up further.
    pub(crate) async fn with(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Result<Self, Failure> {
        let at_once = Emulator::builder().pending_for(Duration::ZERO).running_for(Duration::ZERO);
        let emulator = set(at_once).start().await?;
        let defender = client(&emulator, wire(&emulator)?).build()?;
        Ok(Self { emulator, defender })
    }
}

/// A wire that trusts the emulator, whose certificate is made at its start.
pub(crate) fn wire(emulator: &Emulator) -> Result<HyperTransport, Failure> {
    Ok(HyperTransport::builder().roots(Roots::pem(emulator.ca_pem())?).build()?)
}

/// A client that is pointed at the emulator, over a wire that reaches it.
pub(crate) fn client(emulator: &Emulator, wire: impl Transport + 'static) -> DefenderClientBuilder {
    let (tenant, client, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    DefenderClient::builder()
        .credential(ClientSecretCredential::new(tenant, client, secret))
        .transport(wire)
        .base_url(emulator.base_url())
        .authority(emulator.authority())
        .audience(emulator.audience())
        .wait_poll(Duration::from_millis(100), Duration::from_secs(1)) // nobody waits for an example
}

/// An emulator whose actions take a moment, to be set up further.
pub(crate) fn in_a_moment() -> EmulatorBuilder {
    Emulator::builder().pending_for(Duration::from_millis(200)).running_for(Duration::from_millis(200))
}

/// The first of the emulator's machines.
pub(crate) fn machine(emulator: &Emulator) -> Result<MachineId, Failure> {
    Ok(emulator.machine_ids().first().ok_or("the emulator has no machine")?.parse()?)
}

/// Runs an example: says what it is, before and after, and how it ended.
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

/// An error and its causes in one line.
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

/// A clock by which it is noon of yesterday, in UTC: for an emulator to which something happened then.
pub(crate) fn yesterday() -> Arc<dyn Clock> {
    let clock = SystemClock::new();
    let now = clock.now();
    let noon = now.to_zoned_datetime(TimeZone::UTC).yesterday().and_then(|day| day.with().hour(12).build());
    let behind = noon.map_or(SignedDuration::ZERO, |noon| now.duration_since(noon.timestamp()));
    Arc::new(Behind { clock, behind })
}

/// A clock that is behind another.
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
