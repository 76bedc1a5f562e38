//! Targets in CSV files and in lines.

use defender_fleet::{ErrorKind, Plan, Targets};
use proptest::prelude::*;
use serde_json::json;

use crate::{folder::Folder, world::World};

const ID: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

fn world() -> World {
    let machines = json!([
        {"id": ID, "computerDnsName": "ws-1"},
        {"id": "m2", "computerDnsName": "ws-2"},
        {"id": "m3", "computerDnsName": "ws 3, lab"},
    ]);
    World::of(&machines, &json!([]))
}

async fn plan(targets: Targets) -> Plan {
    world().unrestrict(targets).resolve().await.unwrap()
}

fn left_out(plan: &Plan) -> Vec<String> {
    plan.left_out.iter().map(ToString::to_string).collect()
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.rows.iter().map(|row| row.machine_id.as_str()).collect()
}

#[tokio::test]
async fn bad_row_is_left_out_with_line() {
    let folder = Folder::new();
    let text = format!("\u{feff}site,name\r\nA,ws-1\r\nB\r\nC,\"ws 3, lab\"\r\n\r\nD,\" \"\r\nE,nobody\r\nF,{ID}\r\n");
    let file = folder.file("hosts.csv", text.as_bytes());
    let plan = plan(Targets::csv(&file, "name").unwrap()).await;
    assert_eq!(ids(&plan), [ID, "m3"]);
    assert_eq!(
        left_out(&plan),
        [
            "hosts.csv:3 `B` invalid: the row has 1 of at least 2 fields, and none in the column `name`",
            "hosts.csv:6 `D,` invalid: the column `name` is blank",
            "hosts.csv:7 `nobody` not found: no machine has this id or name",
            &format!("hosts.csv:8 `{ID}` (ws-1) duplicate: the machine is a target already"),
        ]
    );
}

#[tokio::test]
async fn separator_follows_first_line() {
    for text in ["id;name\nx,y;ws-2\n", "id\tname\nx;y\tws-2\n", "\"a;b;c\",name\n1;2,ws-2\n", "name\nws-2"] {
        let plan = plan(Targets::csv_from("hosts.csv", text.as_bytes(), "name").unwrap()).await;
        assert_eq!(ids(&plan), ["m2"], "{text}");
    }
}

/// Excel reads and writes such a line.
#[tokio::test]
async fn first_line_states_separator() {
    for text in [
        "sep=;\nid,x;name\na,b;ws-2\nc;nobody\n",
        "\u{feff}SEP=;\r\nid,x,y;name\r\na;ws-2\r\nc;nobody\r\n",
        "\"sep=;\"\nid,x,y;name\na;ws-2\nc;nobody\n",
        "sep=,\nid;x;y,name\na,ws-2\nc,nobody\n",
        "sep=\t\nid;x;y\tname\na\tws-2\nc\tnobody\n",
        "sep=|\nid;x;y|name\na|ws-2\nc|nobody\n",
    ] {
        let plan = plan(Targets::csv_from("hosts.csv", text.as_bytes(), "name").unwrap()).await;
        assert_eq!(ids(&plan), ["m2"], "{text}");
        assert_eq!(left_out(&plan), ["hosts.csv:4 `nobody` not found: no machine has this id or name"], "{text}");
    }
    // Neither of these states a separator.
    for text in ["sep=\nws-2\n", "sep=name\nws-2\n", "sep=;", "sep"] {
        assert!(Targets::csv_from("hosts.csv", text.as_bytes(), "name").is_err(), "{text}");
    }
}

#[test]
fn list_that_is_csv_is_refused() {
    for head in ["name,site", "Site;Device name", "\"id\";\"site\"", "os\tcomputerDnsName", "sep=;\nname"] {
        let error = Targets::lines("hosts.csv", format!("\n{head}\nws-2;x\n").as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let why = "`hosts.csv` is a CSV file and no list of ids and names: its first line is";
        assert!(error.to_string().contains(why) && error.to_string().contains("`Targets::csv(..)`"), "{error}");
    }
    for line in ["ws 3, lab", "name", "hostname", "ws-1; id-7", "ws-2\nname,site"] {
        assert!(Targets::lines("hosts.txt", line.as_bytes()).is_ok(), "{line}");
    }
}

#[test]
fn wrong_column_error_lists_columns() {
    for (text, why) in [
        ("", "the CSV file `hosts.csv` is empty"),
        ("Name,site\na,b\n", "has no column `name`; its columns are: Name, site"),
        ("name,site,name\na,b,c\n", "has the column `name` several times"),
        ("a,b,c;name\n", "its columns are: a, b, c;name; if that is one column too few, write the separator"),
    ] {
        let error = Targets::csv_from("hosts.csv", text.as_bytes(), "name").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(why), "{error}");
    }
    let utf_16: Vec<u8> = "\u{feff}name\na\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = Targets::csv_from("hosts.csv", &utf_16[..], "name").unwrap_err();
    assert!(error.to_string().contains("UTF-16; save it as UTF-8"), "{error}");
    let error = Targets::csv("nowhere/hosts.csv", "name").unwrap_err();
    assert!(error.to_string().contains("nowhere/hosts.csv"), "{error}");
}

#[tokio::test]
async fn unclosed_quote_is_one_bad_row() {
    let text = b"name\nws-1\n\"ws-2\nws-3\nws-4\n";
    let plan = plan(Targets::csv_from("hosts.csv", &text[..], "name").unwrap()).await;
    assert_eq!(ids(&plan), [ID]);
    assert!(left_out(&plan)[0].starts_with("hosts.csv:3 "), "{plan}");
    assert!(left_out(&plan)[0].contains("a quote may be missing"), "{plan}");
}

/// The quote is in another column than the names.
#[tokio::test]
async fn rows_behind_a_quote_are_named() {
    let text = b"name,note\nws-1,ok\nws-2,\"not closed\nws-3,x\nws-4,y\n";
    let plan = plan(Targets::csv_from("hosts.csv", &text[..], "name").unwrap()).await;
    assert_eq!(ids(&plan), [ID], "{plan}");
    assert!(left_out(&plan)[0].starts_with("hosts.csv:3 "), "{plan}");
    assert!(left_out(&plan)[0].contains("the row takes the lines 3 to 6; a quote may be missing"), "{plan}");
}

#[tokio::test]
async fn undecodable_row_is_left_out() {
    let plan = plan(Targets::csv_from("hosts.csv", &b"name\nws-\xff\nws-2\n"[..], "name").unwrap()).await;
    assert_eq!(ids(&plan), ["m2"]);
    assert!(left_out(&plan)[0].contains("not text in UTF-8"), "{plan}");
}

#[tokio::test]
async fn lines_are_ids_or_names() {
    let text = format!("\u{feff}# hosts of the lab\r\n{ID}\r\n\r\n  ws-2\nws-\u{7}\n");
    let folder = Folder::new();
    let file = folder.file("hosts.txt", &text);
    for (targets, name) in
        [(Targets::lines("stdin", text.as_bytes()).unwrap(), "stdin"), (Targets::lines_of(&file).unwrap(), "hosts.txt")]
    {
        let plan = plan(targets).await;
        assert_eq!(ids(&plan), [ID, "m2"]);
        assert_eq!(left_out(&plan), [format!("{name}:5 `ws-` invalid: the name has a control character")]);
    }
    assert!(Targets::lines("stdin", &b"\n# none\n"[..]).unwrap().is_empty());
}

/// A list in the program has no comments and no blank lines.
#[tokio::test]
async fn blank_text_is_left_out() {
    let plan = plan(Targets::by_content("argument", [ID, "", "#ws-2", " ws-2", "ws-2\nws-3"])).await;
    assert_eq!(ids(&plan), [ID, "m2"]);
    let left_out = left_out(&plan);
    assert_eq!(left_out.len(), 3, "{plan}");
    for (line, text) in
        left_out.iter().zip(["argument:2 `` invalid: the name is blank", "argument:3 `#ws-2` not found", "argument:5 "])
    {
        assert!(line.starts_with(text), "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// No row ends the reading, and a row after clean ones never hides them.
    #[test]
    fn no_row_ends_the_file(rows in prop::collection::vec("[a\"',;\\t\r\u{e9} ]{0,12}", 0..8)) {
        let text = format!("site,name\nx,ws-1\n{}\n", rows.join("\n"));
        let targets = Targets::csv_from("hosts.csv", text.as_bytes(), "name").unwrap();
        prop_assert!(!targets.is_empty());
        prop_assert!(Targets::lines("hosts.txt", rows.join("\n").as_bytes()).is_ok());
    }
}
