//! Missing and invalid tokens.

use defender_actions::{
    DefenderClient,
    auth::{ClientSecretCredential, StaticCredential},
    model::LiveResponseCommand,
    transport::testing::MockTransport,
};
use defender_emulator::{ErrorCode, Fault as Wrong, Operation};

use super::{Canned, Fault, JSON, machine, reading, with_credential, world};
use crate::world::World;

/// Error of a sign-in that Entra refuses with this number.
async fn entra(number: u32) -> defender_actions::Error {
    let world = world();
    world.emulator.fault(Wrong::SignIn(number)).on(Operation::Token);
    reading(&world, &world.client()).await
}

/// Error of an action that the service refuses with this code.
async fn refused(code: ErrorCode) -> defender_actions::Error {
    let world = world();
    world.emulator.fault(Wrong::Code(code)).on(Operation::RunLiveResponse);
    let commands = [LiveResponseCommand::run_script("collect.ps1")];
    let call = world.client().machine(world.machine()).run_live_response("Ticket 4711", commands);
    world.run(call.send()).await.unwrap_err()
}

pub(super) async fn faults() -> Vec<Fault> {
    let plain = world();
    let (tenant, app, secret) =
        (plain.emulator.tenant_id(), plain.emulator.client_id(), plain.emulator.client_secret());
    let with = |tenant: &str, app: &str, secret: &str| {
        with_credential(&plain, ClientSecretCredential::new(tenant, app, secret))
    };
    let other = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let no_credential = DefenderClient::builder().transport(MockTransport::new()).build().unwrap_err();
    let no_tenant = DefenderClient::builder()
        .credential(ClientSecretCredential::new("", app, secret))
        .transport(MockTransport::new())
        .build()
        .unwrap_err();
    let plain_http = DefenderClient::builder()
        .credential(StaticCredential::new("a-token"))
        .transport(MockTransport::new())
        .base_url("http://api.security.microsoft.com")
        .build()
        .unwrap_err();
    let audience =
        plain.builder_over(plain.emulator.transport()).audience("https://graph.microsoft.com").build().unwrap();
    let old = world();
    old.emulator.fault(Wrong::Unauthorized).on(Operation::GetAction);
    let page = world();
    page.emulator.fault(Wrong::BlockPage(403)).on(Operation::Token);
    let failing = world();
    failing.emulator.fault(Wrong::Html502).on(Operation::Token);
    let unable = World::with(|emulator| emulator.ids(1).without_role("Machine.Isolate"));
    let blind =
        World::with(|emulator| emulator.ids(1).without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    vec![
        ("no credential", no_credential),
        ("no tenant", no_tenant),
        ("base URL without TLS", plain_http),
        ("wrong secret", reading(&plain, &with(tenant, app, "not-the-secret")).await),
        ("expired secret", entra(7_000_222).await),
        ("wrong client id", reading(&plain, &with(tenant, other, secret)).await),
        ("wrong tenant", reading(&plain, &with(other, app, secret)).await),
        ("token of another audience", reading(&plain, &audience).await),
        ("missing consent", entra(65_001).await),
        ("conditional access", entra(53_003).await),
        ("wrong clock at the sign-in", entra(700_024).await),
        ("a number that nobody knows", entra(999_999).await),
        ("block page at the sign-in", reading(&page, &page.client()).await),
        ("sign-in in trouble", reading(&failing, &failing.client()).await),
        ("token that the service does not accept", reading(&old, &old.client()).await),
        ("refusal without a word", Canned::responding(403, JSON, "").isolating().await),
        ("missing permission", {
            let call = unable.client().machine(unable.machine()).isolate("Ransomware");
            unable.run(call.send()).await.unwrap_err()
        }),
        ("missing permission to read", reading(&blind, &blind.client()).await),
        ("group without a remediation level", refused(ErrorCode::DisallowedOperation).await),
        ("feature that is off", refused(ErrorCode::DisabledFeature).await),
        (
            "reason in an inner error",
            Canned::responding(
                403,
                JSON,
                r#"{"error":{"code":"Forbidden","message":"Not allowed","innererror":{"code":"DisallowedOperation","message":"No automation level is assigned"}}}"#,
            )
            .isolating()
            .await,
        ),
        ("live response without a command", {
            let commands: [LiveResponseCommand; 0] = [];
            plain.run(plain.client().machine(machine()).run_live_response("c", commands).send()).await.unwrap_err()
        }),
        (
            "comment that is blank",
            plain.run(plain.client().machine(machine()).isolate(" ").send()).await.unwrap_err(),
        ),
    ]
}
