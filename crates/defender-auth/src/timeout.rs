//! A limit of time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use defender_transport::Clock;

/// Returns the output of `future`, or `None` if it takes longer than `limit` on `clock`.
pub(crate) async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // An output that is there at once needs no timer.
    let mut sleep = None;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.get_or_insert_with(|| clock.sleep(limit)).as_mut().poll(context).map(|()| None),
    })
    .await
}
