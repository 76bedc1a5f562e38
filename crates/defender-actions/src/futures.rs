//! Names of the boxed futures and streams.

use std::pin::Pin;

use futures_util::Stream;

/// Future of an awaited request.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Stream of this library. It is `Unpin`, so that a loop over it needs no `pin!`, and it can be named in a field.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;
