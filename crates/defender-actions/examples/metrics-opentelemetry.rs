//! Records metrics with OpenTelemetry, and prints them: `cargo run --example metrics-opentelemetry`. Copy `Metrics` into your
//! application. `docs/observability.md` lists the metrics. The example starts its own emulator.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{process::ExitCode, time::Duration};

use defender_actions::{
    Observer,
    observe::{ActionEnded, CallEnded, TokenRequestEnded, WaitEnded},
};
use defender_emulator::{Fault, Operation, RetryAfter};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, MeterProvider},
};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use self::{embedded::Failure, printed::Printed};

mod embedded;
mod printed;

/// Instruments of one client. The tenant is a label only because this observer adds it.
struct Metrics {
    tenant: KeyValue,
    operations: Histogram<f64>,
    queue: Histogram<f64>,
    attempts: Counter<u64>,
    throttled: Counter<u64>,
    actions: Histogram<f64>,
    waits: Histogram<f64>,
    tokens: Histogram<f64>,
}

impl Metrics {
    fn new(meter: &Meter, tenant: &str) -> Self {
        let seconds = |name| meter.f64_histogram(name).with_unit("s").build();
        Self {
            tenant: KeyValue::new("defender.tenant", tenant.to_owned()),
            operations: seconds("defender.client.operation.duration"),
            queue: seconds("defender.client.queue.duration"),
            attempts: meter.u64_counter("defender.client.attempts").with_unit("{attempt}").build(),
            throttled: meter.u64_counter("defender.client.throttled").with_unit("{response}").build(),
            actions: seconds("defender.client.action.duration"),
            waits: seconds("defender.client.wait.duration"),
            tokens: seconds("defender.client.token.duration"),
        }
    }

    /// Adds the tenant, and the error and the status if there are any.
    fn labels(&self, of: &[KeyValue], error: Option<String>, status: Option<u16>) -> Vec<KeyValue> {
        let error = error.map(|error| KeyValue::new("error.type", error));
        let status = status.map(|status| KeyValue::new("http.response.status_code", i64::from(status)));
        of.iter().chain([&self.tenant]).cloned().chain(error).chain(status).collect()
    }
}

impl Observer for Metrics {
    fn call_ended(&self, ended: &CallEnded<'_>) {
        let method = KeyValue::new("http.request.method", ended.method.to_owned());
        let operation = [method, KeyValue::new("url.template", ended.template.to_owned())];
        let plain = self.labels(&operation, None, None);
        self.queue.record(ended.queue_wait.as_secs_f64(), &plain);
        self.attempts.add(ended.attempts.into(), &plain);
        self.throttled.add(ended.throttled.into(), &plain);
        let labels = self.labels(&operation, ended.end.error_type(), ended.status);
        self.operations.record(ended.duration.as_secs_f64(), &labels);
    }

    fn action_ended(&self, ended: &ActionEnded<'_>) {
        let labels = [
            KeyValue::new("defender.action.task", ended.task.as_str()),
            KeyValue::new("defender.action.type", ended.action_type.to_owned()),
            KeyValue::new("defender.action.outcome", ended.outcome.as_str()),
        ];
        self.actions.record(ended.duration.as_secs_f64(), &self.labels(&labels, ended.end.error_type(), None));
    }

    fn wait_ended(&self, ended: &WaitEnded<'_>) {
        let labels = [
            KeyValue::new("defender.action.type", ended.action_type.to_owned()),
            KeyValue::new("defender.action.status", ended.status.to_owned()),
        ];
        self.waits.record(ended.duration.as_secs_f64(), &self.labels(&labels, ended.end.error_type(), None));
    }

    fn token_request_ended(&self, ended: &TokenRequestEnded) {
        self.tokens.record(ended.duration.as_secs_f64(), &self.labels(&[], ended.error_type(), ended.status));
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    metrics().await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

pub(crate) async fn metrics() -> Result<Vec<String>, Failure> {
    let emulator = embedded::in_a_moment().in_process()?;
    let exporter = Printed::default();
    let provider = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    let defender = embedded::client(&emulator, emulator.transport())
        .backoff(Duration::from_millis(1), Duration::from_millis(1)) // keeps the example short
        .observer(Metrics::new(&provider.meter("defender-actions"), "contoso"))
        .build()?;
    let machine = defender.machine(embedded::machine(&emulator)?);
    emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::Token).times(1);
    emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(0))).on(Operation::Isolate).times(1);
    let isolated = machine.isolate("Ransomware, ticket 4711").await?;
    isolated.wait().await?;
    emulator.fault(Fault::Status(403, RetryAfter::Absent)).on(Operation::Offboard).times(1);
    let errors = [isolated.wait().at_most(Duration::ZERO).await.err(), machine.offboard("Sold").await.err()];
    errors.iter().flatten().for_each(|error| println!("{error}\n"));
    provider.shutdown()?;
    Ok(exporter.lines())
}
