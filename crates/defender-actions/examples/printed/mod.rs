//! Exporter of OpenTelemetry that keeps metrics as text. An application uses an exporter of a crate, such as `opentelemetry-otlp`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Temporality,
        data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics},
        exporter::PushMetricExporter,
    },
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    /// Returns a line for each metric and each set of labels.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, metric: &Metric) {
        match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                for point in histogram.data_points() {
                    self.line(metric, "histogram", point.attributes(), &format!("count={}", point.count()));
                }
            }
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                for point in sum.data_points() {
                    self.line(metric, "counter", point.attributes(), &format!("sum={}", point.value()));
                }
            }
            _ => self.line(metric, "other", std::iter::empty(), ""),
        }
    }

    fn line<'a>(&self, metric: &Metric, kind: &str, labels: impl Iterator<Item = &'a KeyValue>, value: &str) {
        let mut labels: Vec<_> = labels.map(|label| format!("{}={}", label.key, label.value)).collect();
        labels.sort();
        let line = format!("{} {kind} {} {} {value}", metric.name(), metric.unit(), labels.join(","));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl PushMetricExporter for Printed {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        metrics.scope_metrics().flat_map(ScopeMetrics::metrics).for_each(|metric| self.add(metric));
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
