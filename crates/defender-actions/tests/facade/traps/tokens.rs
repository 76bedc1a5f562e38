//! Traps about tokens and secrets.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    ErrorKind,
    transport::{Body, Error as TransportError, Transport},
};
use defender_emulator::{Fault, Operation};
use futures_util::future::join_all;
use http::{HeaderValue, Method, Request, Response};

use crate::world::{HOUR, MINUTE, World};

#[tokio::test]
async fn trap_21_token_is_refreshed() {
    let world = World::with(|emulator| emulator.token_lifetime(MINUTE * 10).pending_for(HOUR * 3));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let refused = world.run(submitted.wait().at_most(HOUR * 2).send()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WaitTimeout);
    world.emulator.fault(Fault::Unauthorized).on(Operation::GetAction).times(1);
    assert!(world.run(submitted.wait().at_most(HOUR * 2).send()).await.is_ok());
    // Two 401s in a row end the call.
    world.emulator.fault(Fault::Unauthorized).on(Operation::GetAction).times(2);
    let error = world.run(world.client().action(submitted.id().clone()).wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

/// Transport that counts the token requests and rejects reads with the first token.
#[derive(Clone, Debug)]
struct Revoking<T>(T, Arc<Mutex<(usize, Option<HeaderValue>)>>);

#[async_trait]
impl<T: Transport> Transport for Revoking<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        if request.uri().path().ends_with("/token") {
            self.1.lock().unwrap().0 += 1;
            return self.0.send(request).await;
        }
        let token = request.headers().get("authorization").cloned();
        let first = self.1.lock().unwrap().1.get_or_insert_with(|| token.clone().unwrap()).clone();
        if request.method() == Method::GET && token == Some(first) {
            return Ok(Response::builder().status(401).body(Body::empty()).unwrap());
        }
        self.0.send(request).await
    }
}

#[tokio::test]
async fn trap_22_concurrent_401s_refresh_once() {
    let world = World::new();
    let transport = Revoking(world.emulator.transport(), Arc::default());
    let client = world.builder_over(transport.clone()).build().unwrap();
    let id = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap().id().clone();
    assert_eq!(transport.1.lock().unwrap().0, 1);
    let reads = world.run(join_all((0..50).map(|_| client.action(id.clone()).get().send()))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(transport.1.lock().unwrap().0, 2);
}

#[tokio::test]
async fn trap_28_secrets_are_not_printed() {
    let world = World::new();
    let client = world.client();
    let submitted = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    world.emulator.fault(Fault::Unauthorized);
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    let request = client.machine(world.machine()).isolate("c").request().unwrap();
    let printed = format!("{client:?} {submitted:?} {error:?} {error} {request:?}");
    assert!(!printed.contains(world.emulator.client_secret()) && !printed.contains("eyJ"), "{printed}");
}
