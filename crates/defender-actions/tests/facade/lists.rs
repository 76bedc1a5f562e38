//! Lists, page by page.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::StaticCredential,
    model::{ActionStatus, MachineAction},
    transport::{Body, Error as TransportError, Transport},
};
use futures_util::StreamExt;
use http::{Request, Response};
use serde_json::{Value, json};

/// Answers with one page after another, and notes what was asked.
#[derive(Clone, Debug, Default)]
struct Pages(Arc<Mutex<(VecDeque<Value>, Vec<String>)>>);

#[async_trait]
impl Transport for Pages {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        assert_eq!(request.uri().host(), Some("api.security.microsoft.com"));
        let mut state = self.0.lock().unwrap();
        state.1.push(request.uri().path_and_query().unwrap().to_string());
        let page = state.0.pop_front().unwrap();
        let status = page.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        Ok(Response::builder().status(status.unwrap_or(200)).body(Body::from(page.to_string())).unwrap())
    }
}

fn over(pages: impl IntoIterator<Item = Value>) -> (DefenderClient, Pages) {
    let wire = Pages::default();
    wire.0.lock().unwrap().0.extend(pages);
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(wire.clone()).build();
    (client.unwrap(), wire)
}

fn rows(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"id": id})).collect()
}

fn told(rows: Vec<Result<MachineAction, Error>>) -> Vec<Result<String, ErrorKind>> {
    rows.into_iter().map(|row| row.map(|row| row.id.to_string()).map_err(|error| error.kind())).collect()
}

#[tokio::test]
async fn a_list_of_one_page_is_one_call_and_its_filter_is_encoded() {
    let (client, wire) = over([json!({"value": rows(&["a", "b"])})]);
    let filter = MachineAction::STATUS.eq(ActionStatus::Pending).and(MachineAction::REQUESTOR.eq("o'hara"));
    let read = client.actions().filter(filter).stream().collect::<Vec<_>>().await;
    assert_eq!(told(read), [Ok("a".to_owned()), Ok("b".to_owned())]);
    assert_eq!(
        wire.0.lock().unwrap().1,
        ["/api/machineactions?$filter=status%20eq%20%27Pending%27%20and%20requestor%20eq%20%27o%27%27hara%27"]
    );
}

#[tokio::test]
async fn links_are_followed_on_the_configured_host_and_rows_that_moved_come_once() {
    let (client, wire) = over([
        json!({"value": rows(&["a", "b"]), "@odata.nextLink": "https://elsewhere.example.com/api/machineactions?$skip=2"}),
        json!({"value": rows(&["b", "c"]), "@odata.nextLink": "/API/machineactions?$skip=4"}),
        // It may be pushed further than onto the next page.
        json!({"value": rows(&["a"]), "@odata.nextLink": ""}),
    ]);
    let read = client.actions().stream().collect::<Vec<_>>().await;
    assert_eq!(told(read), [Ok("a".to_owned()), Ok("b".to_owned()), Ok("c".to_owned())]);
    assert_eq!(
        wire.0.lock().unwrap().1,
        ["/api/machineactions", "/api/machineactions?$skip=2", "/api/machineactions?$skip=4"]
    );
}

#[tokio::test]
async fn without_links_it_skips_on_while_pages_are_full() {
    let (client, wire) = over([
        json!({"value": rows(&["a", "b"])}),
        json!({"value": rows(&["c", "d"])}),
        json!({"value": rows(&["e"])}),
    ]);
    let read = client.actions().page_size(2).stream().collect::<Vec<_>>().await;
    assert_eq!(read.len(), 5);
    assert_eq!(
        wire.0.lock().unwrap().1,
        ["/api/machineactions?$top=2", "/api/machineactions?$top=2&$skip=2", "/api/machineactions?$top=2&$skip=4"]
    );
}

#[tokio::test]
async fn a_link_that_leaves_the_api_or_leads_nowhere_new_ends_the_list_with_an_error() {
    for link in [
        "https://api.security.microsoft.com/oauth2/token",
        "https://api.security.microsoft.com/apix/machineactions",
        "/api/../secrets",
        "/api/%2e%2e/secrets",
        "/api/machines/m1/..",
        "/api//evil.example.com",
        "/api/machineactions",
        "not a link",
    ] {
        let (client, wire) = over([json!({"value": rows(&["a"]), "@odata.nextLink": link})]);
        let read = client.actions().stream().collect::<Vec<_>>().await;
        assert_eq!(told(read), [Ok("a".to_owned()), Err(ErrorKind::InvalidResponse)], "{link}");
        assert_eq!(wire.0.lock().unwrap().1.len(), 1, "{link}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_of_its_own_and_a_page_that_cannot_be_had_the_last() {
    let (client, _) = over([
        json!({"value": [{"id": "a"}, {"status": "Pending"}], "@odata.nextLink": "/api/machineactions?$skip=2"}),
        json!({"status": 403, "error": {"code": "Forbidden", "message": "no"}}),
    ]);
    let read = client.actions().stream().collect::<Vec<_>>().await;
    assert_eq!(told(read), [Ok("a".to_owned()), Err(ErrorKind::InvalidResponse), Err(ErrorKind::Forbidden)]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_carried_by_its_error() {
    let row = json!({"status": "Pending", "novel": [1]});
    let (client, _) = over([json!({"value": [{"id": "a"}, row]})]);
    let read = client.actions().stream().collect::<Vec<_>>().await;
    assert_eq!(read[1].as_ref().unwrap_err().row(), Some(&row));
}

#[tokio::test]
async fn a_list_goes_on_from_the_link_of_a_page() {
    // The service's own link, on whichever of its hosts.
    for link in [
        "https://api.securitycenter.microsoft.com/api/machineactions?$filter=x&$skip=2",
        "/api/machineactions?$filter=x&$skip=2",
    ] {
        let (client, wire) = over([json!({"value": rows(&["c"])})]);
        let read = client.actions().resume(link).stream().collect::<Vec<_>>().await;
        assert_eq!(told(read), [Ok("c".to_owned())]);
        assert_eq!(wire.0.lock().unwrap().1, ["/api/machineactions?$filter=x&$skip=2"]);
    }
    // Without links of the service, the pages have ours.
    let pages =
        [json!({"value": rows(&["a", "b"])}), json!({"value": rows(&["c", "d"])}), json!({"value": rows(&["e"])})];
    let (client, wire) = over(pages);
    let first = client.actions().page_size(2).pages().next().await.unwrap().unwrap();
    let link = first.next_link.unwrap();
    let rest = client.actions().resume(link).stream().collect::<Vec<_>>().await;
    assert_eq!(told(rest), [Ok("c".to_owned()), Ok("d".to_owned()), Ok("e".to_owned())]);
    assert_eq!(
        wire.0.lock().unwrap().1,
        ["/api/machineactions?$top=2", "/api/machineactions?$top=2&$skip=2", "/api/machineactions?$top=2&$skip=4"]
    );
}

#[tokio::test]
async fn a_list_does_not_go_on_from_a_link_that_leaves_the_api() {
    for link in ["https://evil.example.com/secrets", "/oauth2/token", "/api/../secrets", "machineactions", ""] {
        let (client, wire) = over([]);
        let read = client.actions().resume(link).stream().collect::<Vec<_>>().await;
        assert_eq!(told(read), [Err(ErrorKind::Request)], "{link}");
        assert!(wire.0.lock().unwrap().1.is_empty());
    }
}

#[tokio::test]
async fn on_the_emulator_a_list_is_resumed_where_it_was_left_and_each_row_comes_once() {
    let world = crate::world::World::with(|emulator| emulator.history(95).page_size(10));
    let client = world.client();
    let all: Vec<MachineAction> = world.run(client.actions().stream().map(Result::unwrap).collect()).await;
    let mut seen = Vec::new();
    let mut link: Option<String> = None;
    loop {
        let list = match link.take() {
            Some(link) => client.actions().resume(link),
            None => client.actions(),
        };
        let page = world.run(async { list.pages().next().await }).await.unwrap().unwrap();
        seen.extend(page.value);
        link = page.next_link;
        if link.is_none() {
            break;
        }
    }
    assert_eq!((all.len(), seen), (95, all));
}
