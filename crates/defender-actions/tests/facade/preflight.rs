//! Checks of a token before the first call.

use defender_actions::{
    DefenderClient, ErrorKind, PreflightIssue, PreflightReport,
    auth::{AccessToken, Error, ErrorKind as AuthErrorKind, StaticCredential, TokenCredential, TokenRequest},
    model::{ACTIONS, Isolate, UnrestrictCodeExecution},
    transport::testing::MockTransport,
};

// {"aud":"https://api.securitycenter.microsoft.com","tid":"t","roles":["Machine.RestrictExecution","Machine.Read.All"]}
const RESTRICTING: &str = "e30.eyJhdWQiOiJodHRwczovL2FwaS5zZWN1cml0eWNlbnRlci5taWNyb3NvZnQuY29tIiwidGlkIjoidCIsInJvbGVzIjpbIk1hY2hpbmUuUmVzdHJpY3RFeGVjdXRpb24iLCJNYWNoaW5lLlJlYWQuQWxsIl19.x";
// {"aud":"https://graph.microsoft.com","scp":"Machine.Isolate"}
const OF_ANOTHER: &str = "e30.eyJhdWQiOiJodHRwczovL2dyYXBoLm1pY3Jvc29mdC5jb20iLCJzY3AiOiJNYWNoaW5lLklzb2xhdGUifQ.x";

fn client(credential: impl TokenCredential + 'static) -> DefenderClient {
    // A mock without expectations fails the test when it is called.
    DefenderClient::builder().credential(credential).transport(MockTransport::new()).build().unwrap()
}

#[tokio::test]
async fn permitted_actions_are_ready() {
    let ready =
        client(StaticCredential::new(RESTRICTING)).preflight().action::<UnrestrictCodeExecution>().await.unwrap();
    assert!(ready.is_ready(), "{ready}");
    assert_eq!(ready.claims.unwrap().tenant.as_deref(), Some("t"));
}

#[tokio::test]
async fn missing_permission_has_grant_advice() {
    let lacking = client(StaticCredential::new(RESTRICTING)).preflight().action::<Isolate>().await.unwrap();
    let [problem] = lacking.issues.as_slice() else { panic!("{lacking}") };
    let text = problem.to_string();
    assert!(text.starts_with("Isolate requires the application permission Machine.Isolate; add it"), "{text}");
    let of_all: PreflightReport = client(StaticCredential::new(RESTRICTING)).preflight().await.unwrap();
    // The service's page lists a read permission for quarantining.
    let is_allowed = |permission: &&str| ["Machine.RestrictExecution", "Machine.Read.All"].contains(permission);
    let denied = ACTIONS.iter().filter(|action| !action.permissions.iter().any(is_allowed)).count();
    assert!(denied < ACTIONS.len() - 2, "unrestrict, restrict and quarantine are allowed");
    assert_eq!(of_all.issues.len(), denied, "{of_all}");
}

#[tokio::test]
async fn wrong_audience_is_reported() {
    let lacking = client(StaticCredential::new(OF_ANOTHER)).preflight().action::<Isolate>().await.unwrap();
    let [audience, reading] = lacking.issues.as_slice() else { panic!("{lacking}") };
    let (audience, reading) = (audience.to_string(), reading.to_string());
    assert!(audience.contains("https://graph.microsoft.com") && audience.contains("403"), "{audience}");
    assert!(
        reading.contains(
            "delegated permission Machine.ReadWrite or Machine.Read (the current page names the first, an older one both)"
        ),
        "{reading}"
    );
}

#[tokio::test]
async fn opaque_token_reports_no_issue() {
    let unknown = client(StaticCredential::new("opaque")).preflight().await.unwrap();
    assert!(unknown.is_ready() && unknown.claims.is_none());
    assert!(unknown.to_string().contains("nothing is known"));
}

#[derive(Debug)]
struct Failing;

#[async_trait::async_trait]
impl TokenCredential for Failing {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
        Err(Error::new(AuthErrorKind::Refused))
    }
}

#[tokio::test]
async fn missing_token_is_an_error() {
    let error = client(Failing).preflight().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(error.never_sent());
}

/// Encodes a token with these claims.
fn token(claims: &serde_json::Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn wrong_tenant_or_time_is_reported() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OTHER: &str = "11111111-2222-3333-4444-555555555555";
    const COMMERCIAL: &str = "https://api.securitycenter.microsoft.com";
    const GOV: &str = "https://api-gov.securitycenter.microsoft.us";
    let roles = ["Machine.Isolate", "Machine.Read.All"];
    for (audience, expected, base, tenant, exp, obstacle) in [
        (COMMERCIAL, COMMERCIAL, "https://eu.api.security.microsoft.com", TENANT, 4_000_000_000_u64, None),
        (COMMERCIAL, COMMERCIAL, "https://defender.example.com", TENANT, 4_000_000_000, None),
        (COMMERCIAL, COMMERCIAL, "https://api.security.microsoft.com", "contoso.com", 4_000_000_000, None),
        ("https://securitycenter.onmicrosoft.com/windowsatpservice", GOV, GOV, TENANT, 4_000_000_000, None),
        ("fc780465-2017-40d4-a0c5-307022471b92", COMMERCIAL, COMMERCIAL, TENANT, 4_000_000_000, None),
        (COMMERCIAL, COMMERCIAL, GOV, TENANT, 4_000_000_000, Some("in another cloud")),
        (
            COMMERCIAL,
            GOV,
            GOV,
            TENANT,
            4_000_000_000,
            Some("is for `https://api.securitycenter.microsoft.com` and not"),
        ),
        (
            "https://api.securitycenter.microsoft.com/",
            COMMERCIAL,
            COMMERCIAL,
            TENANT,
            4_000_000_000,
            Some("and not for"),
        ),
        (COMMERCIAL, COMMERCIAL, COMMERCIAL, OTHER, 4_000_000_000, Some("from tenant 72f988bf")),
        (COMMERCIAL, COMMERCIAL, COMMERCIAL, TENANT, 1_000_000_000, Some("expired at 2001-09-09T01:46:40Z")),
    ] {
        let claims = serde_json::json!({"aud": audience, "tid": TENANT, "roles": roles, "exp": exp});
        let client = DefenderClient::builder()
            .credential(StaticCredential::new(token(&claims)))
            .transport(MockTransport::new())
            .audience(expected)
            .base_url(base)
            .build()
            .unwrap();
        let ready = client.preflight().action::<Isolate>().tenant(tenant).await.unwrap();
        match (obstacle, ready.issues.as_slice()) {
            (None, []) => {}
            (Some(text), [one]) => assert!(one.to_string().contains(text), "{audience} {base}: {one}"),
            _ => panic!("{audience} {expected} {base} {tenant}: {ready}"),
        }
    }
}

#[tokio::test]
async fn emulator_refuses_what_is_missing() {
    let world = crate::world::World::with(|emulator| {
        emulator.without_role("Machine.Isolate").without_role("Machine.Read.All").without_role("Machine.ReadWrite.All")
    });
    let client = world.client();
    let ready =
        world.run(client.preflight().action::<Isolate>().tenant(world.emulator.tenant_id()).send()).await.unwrap();
    let missing: Vec<_> = ready
        .issues
        .iter()
        .map(|obstacle| match obstacle {
            PreflightIssue::Permission { any_of, delegated: false, .. } => any_of[0],
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(missing, ["Machine.ReadWrite.All", "Machine.Isolate"]);
    assert_eq!(world.ledger().len(), 0);
    let refused = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}
