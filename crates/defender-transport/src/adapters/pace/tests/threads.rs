//! Several threads at once.

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::*;

/// Each thread has a clone and an executor of its own; this one moves the clock.
#[test]
fn clones_on_threads_share_the_windows() {
    const THREADS: usize = 4;
    const CALLS: usize = 200;
    let (clock, server, paced) = stage();
    let scope = scope(&[(7, 1), (50, 10)]);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (paced, scope) = (paced.clone(), scope.clone());
            std::thread::spawn(move || {
                let calls: FuturesUnordered<_> = (0..CALLS)
                    .map(|number| {
                        let slow = Duration::from_millis(if number % 5 == 0 { 700 } else { 0 });
                        paced.send(request(&scope, Plan { there: slow, back: slow, ..plan(thread * CALLS + number) }))
                    })
                    .collect();
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let ended: Vec<_> = runtime.block_on(calls.collect());
                assert!(ended.iter().all(Result::is_ok));
            })
        })
        .collect();
    // In steps, since nobody knows whether those who were woken have gone on yet.
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        assert!(clock.elapsed() < SECOND * 1_000_000, "somebody waits and nobody wakes them");
        clock.advance(Duration::from_millis(10));
        std::thread::yield_now();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((server.arrivals().len(), paced.waiting(&scope), clock.sleeping()), (THREADS * CALLS, 0, 0));
    fullest(&server.arrivals(), 7, SECOND);
    fullest(&server.arrivals(), 50, SECOND * 10);
}
