//! Adapters that wrap a transport, each in a file: from the innermost outwards, `redirect`, `decompress`, `deadline`, `trace`,
//! `collect`, `pace` and `retry`.

mod collect;
mod deadline;
#[cfg(feature = "compression")]
mod decompress;
mod ext;
mod location;
mod pace;
mod redirect;
mod retry;
#[cfg(feature = "tracing")]
mod trace;

#[cfg(feature = "compression")]
pub use self::decompress::Decompressed;
#[cfg(feature = "tracing")]
pub use self::trace::Traced;
pub use self::{
    collect::Buffered,
    deadline::Deadline,
    ext::TransportExt,
    pace::Paced,
    redirect::{Redirected, Redirects},
    retry::{Retry, Retrying},
};
