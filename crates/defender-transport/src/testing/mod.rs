//! The test kit: replacements of the transport and of time for a test. Exempt from semver.
//!
//! It prints what a test feeds it, secrets too; shipped code has no business with it.
//!
//! | | for a test that asks |
//! |---|---|
//! | [`Tape`] | are exactly these requests sent, and what does the code make of these responses? |
//! | [`Capture`] | what was sent, where the responses are all alike, or given in turn? |
//! | [`Never`] | what if no response ever comes? |
//! | [`Faulty`] | what if exchanges go wrong, by script or by seed? |
//! | [`MockTransport`] | anything else: mockall's expectations |
//! | [`ManualClock`] | what happens in three days? The test moves the clock |
//! | [`AutoClock`] | the same, with a clock that moves by itself while everything waits |
//!
//! All but the clocks are [`Transport`](crate::Transport)s; they replace the real one, under any adapters.
//!
//! ```
//! use bytes::Bytes;
//! use defender_transport::{Body, Transport, testing::MockTransport};
//! use http::{Request, Response};
//!
//! # let check = async {
//! let mut transport = MockTransport::new();
//! transport.expect_send()
//!     .withf(|request| request.uri().path() == "/ping")
//!     .times(1)
//!     .returning(|_| Ok(Response::new(Body::from("pong"))));
//!
//! let response = transport.send(Request::get("https://example.com/ping").body(Bytes::new()).unwrap()).await?;
//! assert_eq!(response.into_body().collect(1024).await?, "pong");
//! # Ok::<(), defender_transport::Error>(())
//! # };
//! # let mut check = std::pin::pin!(check);
//! # let ready = check.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
//! # assert!(matches!(ready, std::task::Poll::Ready(Ok(()))));
//! ```

mod auto_clock;
mod capture;
mod faulty;
mod manual_clock;
mod never;
mod side_by_side;
mod tape;

pub use {
    auto_clock::AutoClock,
    capture::Capture,
    faulty::{Fault, Faulty},
    manual_clock::ManualClock,
    never::Never,
    tape::{AnyBody, Tape},
};

pub use crate::transport::MockTransport;
