//! `docs/observability.md` lists each metric of the example with its labels, and nothing else.

use crate::page::{Fields, assert_same, documented};

#[path = "../../examples/metrics-opentelemetry.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "its `main` is not called here, and another example has `embedded`, too"
)]
mod program;

#[tokio::test]
async fn page_lists_each_metric_of_the_example() {
    let mut emitted = Fields::new();
    for line in program::metrics().await.unwrap() {
        let [name, instrument, unit, labels, _] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
        let labels = labels.split(',').map(|label| label.split('=').next().unwrap().to_owned());
        emitted.entry([name, instrument, unit].map(ToOwned::to_owned)).or_default().extend(labels);
    }
    assert_same(&emitted, &documented("Names of the example"));
}
