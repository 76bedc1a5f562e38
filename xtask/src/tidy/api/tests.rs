//! What is found in a line of source, and what is not.

use super::*;

/// What is found in a file of `krate`, in a word each.
fn found(krate: &str, source: &str) -> Vec<String> {
    let names = ["bytes", "http", "hyper", "hyper_util", "oauth2", "rustls", "tokio", "defender_transport"];
    let dependencies = names.iter().map(ToString::to_string).collect();
    let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == krate).unwrap();
    let files = [("src/x.rs".to_owned(), syn::parse_file(source).unwrap())];
    let found = check_crate(krate, &dependencies, allowed, &files);
    found.into_iter().map(|violation| format!("{} {}", violation.place, violation.found)).collect()
}

#[track_caller]
fn broken(source: &str, expected: &str) {
    let found = found("defender-transport", source);
    assert_eq!(found, [format!("crates/defender-transport/src/x.rs: {expected}")], "{source}");
}

#[track_caller]
fn kept(source: &str) {
    assert_eq!(found("defender-transport", source), [""; 0], "{source}");
}

#[test]
fn no_public_signature_names_the_wire() {
    let hyper = "names `Error` of `hyper`";
    broken("pub fn f() -> Result<(), hyper::Error> {}", &format!("f {hyper}"));
    broken("pub fn f(x: &dyn Fn(hyper::Error)) {}", &format!("f {hyper}"));
    broken("pub async fn f<T: Into<hyper::Error>>(x: T) {}", &format!("f {hyper}"));
    broken("pub fn f<T>() where T: From<hyper::Error> {}", &format!("f {hyper}"));
    broken("pub fn f() -> impl Future<Output = hyper::Error> {}", &format!("f {hyper}"));
    broken("pub struct S { pub x: Vec<hyper::Error> }", &format!("S.x {hyper}"));
    broken("pub struct S(pub hyper::Error);", &format!("S {hyper}"));
    broken("pub enum E { A(hyper::Error) }", &format!("E::A {hyper}"));
    broken("pub type T = Result<(), hyper::Error>;", &format!("T {hyper}"));
    broken("pub const C: Option<hyper::Error> = None;", &format!("C {hyper}"));
    broken("pub trait T: Into<hyper::Error> {}", &format!("T {hyper}"));
    broken("pub trait T { fn f(&self) -> hyper::Error; }", &format!("T::f {hyper}"));
    broken("pub trait T { type X: Into<hyper::Error>; }", &format!("T {hyper}"));
    broken("impl S { pub fn f(&self) -> hyper::Error {} }", &format!("S::f {hyper}"));
    broken("impl From<hyper::Error> for S {}", &format!("impl From for S {hyper}"));
    broken("impl Iterator for S { type Item = hyper::Error; }", &format!("impl Iterator for S {hyper}"));
    broken("impl hyper::rt::Timer for S {}", "impl Timer for S names `Timer` of `hyper`");
    broken("mod inner { pub fn f(x: tokio::time::Instant) {} }", "f names `Instant` of `tokio`");
    broken("pub use rustls::ClientConfig;", "pub use names `rustls`");
    broken("pub use rustls;", "pub use names `rustls`");
}

#[test]
fn neither_an_import_nor_a_new_name_hides_a_type() {
    broken("use hyper::body::Incoming; pub fn f(x: Incoming) {}", "f names `Incoming` of `hyper`");
    broken("use hyper::{body::{Incoming as In}}; pub fn f(x: In) {}", "f names `In` of `hyper`");
    broken("use hyper as wire; pub fn f(x: wire::Body) {}", "f names `Body` of `hyper`");
    broken("use hyper::body; pub fn f(x: body::Incoming) {}", "f names `Incoming` of `hyper`");
    broken("mod hyper; pub fn f(x: ::hyper::Body) {}", "f names `Body` of `hyper`");
}

#[test]
fn what_nobody_can_name_is_nobody_s_business() {
    kept("fn f(x: hyper::Error) {}");
    kept("pub(crate) fn f(x: hyper::Error) {}");
    kept("pub struct S { x: hyper::Error }");
    kept("pub fn f() { let x: hyper::Error; }");
    kept("struct P; impl From<hyper::Error> for P {}");
    kept("pub struct S; impl S { fn f(x: hyper::Error) {} }");
    kept("struct P; impl P { pub fn f(x: hyper::Error) {} }");
    kept("#[cfg(test)] mod tests { pub fn f(x: hyper::Error) {} }");
    kept("mod hyper; pub use hyper::HyperTransport; pub use self::hyper::X;");
    kept("use bytes::Bytes; pub fn f(x: http::Request<Bytes>) -> std::io::Result<()> {}");
    kept("/// Like hyper::Error.\npub fn f() {}");
}

#[test]
fn each_crate_has_its_own_list() {
    let source = "pub fn f(x: http::Uri) {}";
    assert_eq!(found("defender-auth", source), [""; 0]);
    assert_eq!(found("defender-model", source), ["crates/defender-model/src/x.rs: f names `Uri` of `http`"]);
    let source = "pub fn f(x: oauth2::Scope) -> defender_transport::Error {}";
    assert_eq!(found("defender-auth", source), ["crates/defender-auth/src/x.rs: f names `Scope` of `oauth2`"]);
}

#[test]
fn each_adapter_denies_missing_functions() {
    let told = "does not deny clippy::missing_trait_methods";
    broken("impl<T: Transport> Transport for A<T> {}", &format!("impl Transport for A {told}"));
    broken("impl<T: crate::Clock> crate::Clock for &T {}", &format!("impl Clock for & {told}"));
    broken("struct P; impl Transport for P {}", &format!("impl Transport for P {told}"));
    kept("#[async_trait] #[deny(clippy::missing_trait_methods)] impl<T: Transport> Transport for A<T> {}");
    kept("impl TransportExt for A {}");
}
