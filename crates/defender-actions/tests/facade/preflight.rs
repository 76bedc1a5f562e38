//! What is known of a token before the first call.

use defender_actions::{
    DefenderClient, ErrorKind, Readiness,
    auth::{AccessToken, Error, ErrorKind as AuthErrorKind, StaticCredential, TokenCredential, TokenRequest},
    model::{Isolate, UnrestrictCodeExecution},
    transport::testing::MockTransport,
};

// {"aud":"https://api.securitycenter.microsoft.com","tid":"t","roles":["Machine.RestrictExecution","Machine.Read.All"]}
const RESTRICTING: &str = "e30.eyJhdWQiOiJodHRwczovL2FwaS5zZWN1cml0eWNlbnRlci5taWNyb3NvZnQuY29tIiwidGlkIjoidCIsInJvbGVzIjpbIk1hY2hpbmUuUmVzdHJpY3RFeGVjdXRpb24iLCJNYWNoaW5lLlJlYWQuQWxsIl19.x";
// {"aud":"https://graph.microsoft.com","scp":"Machine.Isolate"}
const OF_ANOTHER: &str = "e30.eyJhdWQiOiJodHRwczovL2dyYXBoLm1pY3Jvc29mdC5jb20iLCJzY3AiOiJNYWNoaW5lLklzb2xhdGUifQ.x";

fn client(credential: impl TokenCredential + 'static) -> DefenderClient {
    // A mock that expects nothing fails the test when it is called.
    DefenderClient::builder().credential(credential).transport(MockTransport::new()).build().unwrap()
}

#[tokio::test]
async fn what_the_token_permits_is_ready() {
    let ready =
        client(StaticCredential::new(RESTRICTING)).preflight().action::<UnrestrictCodeExecution>().await.unwrap();
    assert!(ready.is_ready(), "{ready}");
    assert_eq!(ready.claims.unwrap().tenant.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_missing_permission_is_named_with_how_it_is_granted() {
    let lacking = client(StaticCredential::new(RESTRICTING)).preflight().action::<Isolate>().await.unwrap();
    let [problem] = lacking.obstacles.as_slice() else { panic!("{lacking}") };
    let words = problem.to_string();
    assert!(words.starts_with("Isolate takes the application permission Machine.Isolate; add it"), "{words}");
    let of_all: Readiness = client(StaticCredential::new(RESTRICTING)).preflight().await.unwrap();
    // A read permission allows quarantining, by the service's own page.
    assert_eq!(of_all.obstacles.len(), 6, "{of_all}");
}

#[tokio::test]
async fn a_token_for_another_api_and_one_that_cannot_read_are_told() {
    let lacking = client(StaticCredential::new(OF_ANOTHER)).preflight().action::<Isolate>().await.unwrap();
    let [audience, reading] = lacking.obstacles.as_slice() else { panic!("{lacking}") };
    let (audience, reading) = (audience.to_string(), reading.to_string());
    assert!(audience.contains("https://graph.microsoft.com") && audience.contains("403"), "{audience}");
    assert!(reading.contains("delegated permission Machine.Read or Machine.ReadWrite"), "{reading}");
}

#[tokio::test]
async fn of_an_opaque_token_nothing_is_known_and_nothing_is_missing() {
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
async fn without_a_token_it_is_an_error() {
    let error = client(Failing).preflight().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(error.never_sent());
}
