//! Copy of a request that is kept for a retry while the request is sent.

use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::extensions::{self, CallStats, Idempotency, RateLimitScope, Read, Shared, Timeouts, UrlTemplate};

/// A request that may have to be sent again.
///
/// Nearly every call ends with its first attempt, so this copy is rarely used and must be cheap. The extensions would cost the
/// most, since each of them is boxed; those that this crate knows are copied into one struct.
#[derive(Debug)]
pub(super) struct SavedRequest {
    method: Method,
    uri: Uri,
    version: Version,
    /// A vector, since a map takes two allocations.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    told: SavedExtensions,
}

#[derive(Debug)]
enum SavedExtensions {
    Known(KnownExtensions),
    /// All extensions, if one of them is not known to this crate.
    All(Extensions),
}

/// Extensions that the caller sets for the layers.
#[derive(Clone, Debug, Default)]
struct KnownExtensions {
    idempotency: Option<Idempotency>,
    scope: Option<RateLimitScope>,
    read: Option<Read>,
    template: Option<UrlTemplate>,
    times: Option<Timeouts>,
    stats: Option<CallStats>,
    shared: Option<Shared>,
}

impl SavedRequest {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let told = KnownExtensions::all_of(request.extensions());
        let headers = request.headers();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: request.body().clone(),
            told: told.map_or_else(|| SavedExtensions::All(request.extensions().clone()), SavedExtensions::Known),
        }
    }

    /// Returns the request as it was saved, with the time that is `left` for the call.
    pub(super) fn request(&self, left: Duration) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        *request.version_mut() = self.version;
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        match &self.told {
            SavedExtensions::Known(known) => known.clone().put_on(request.extensions_mut()),
            SavedExtensions::All(extensions) => request.extensions_mut().clone_from(extensions),
        }
        let times: Timeouts = extensions::of(&request).copied().unwrap_or_default();
        request.extensions_mut().insert(times.total(left));
        request
    }
}

impl KnownExtensions {
    /// Returns copies of all `extensions`, or `None` if one of them is not known to this crate.
    fn all_of(extensions: &Extensions) -> Option<Self> {
        let shared = extensions.get::<Shared>();
        if let (Some(shared), 1) = (shared, extensions.len()) {
            // Nearly always. Of the 92,000 instructions of a call this saves 180.
            return Some(Self { shared: Some(shared.clone()), ..Self::default() });
        }
        let (idempotency, scope, read) =
            (extensions.get::<Idempotency>(), extensions.get::<RateLimitScope>(), extensions.get::<Read>());
        let (template, times) = (extensions.get::<UrlTemplate>(), extensions.get::<Timeouts>());
        let stats = extensions.get::<CallStats>();
        let known = [
            idempotency.is_some(),
            scope.is_some(),
            read.is_some(),
            template.is_some(),
            times.is_some(),
            stats.is_some(),
            shared.is_some(),
        ];
        if known.into_iter().filter(|&is_there| is_there).count() < extensions.len() {
            return None; // Nothing is copied yet: the caller then copies all extensions.
        }
        Some(Self {
            idempotency: idempotency.copied(),
            scope: scope.cloned(),
            read: read.copied(),
            template: template.cloned(),
            times: times.copied(),
            stats: stats.cloned(),
            shared: shared.cloned(),
        })
    }

    fn put_on(self, extensions: &mut Extensions) {
        let Self { idempotency, scope, read, template, times, stats, shared } = self;
        idempotency.map(|idempotency| extensions.insert(idempotency));
        scope.map(|scope| extensions.insert(scope));
        read.map(|read| extensions.insert(read));
        template.map(|template| extensions.insert(template));
        times.map(|times| extensions.insert(times));
        stats.map(|stats| extensions.insert(stats));
        shared.map(|shared| extensions.insert(shared));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Foreign(u8);

    const LEFT: Duration = Duration::from_secs(7);

    fn request() -> Request<Bytes> {
        let request = Request::patch("https://example.com/a?b").version(http::Version::HTTP_2).header("c", "d");
        request.body(Bytes::from_static(b"e")).unwrap()
    }

    #[test]
    fn what_is_kept_is_the_whole_request() {
        let again = SavedRequest::of(&request()).request(LEFT);
        assert_eq!((again.extensions().len(), again.extensions().get()), (1, Some(&Timeouts::default().total(LEFT))));
        let mut bare = again;
        bare.extensions_mut().clear();
        assert_eq!(format!("{bare:?}"), format!("{:?}", request()));
    }

    #[test]
    fn what_the_layers_were_told_is_kept() {
        let mut told = request();
        let scope = RateLimitScope { key: "scope".into(), limits: [].into() };
        told.extensions_mut().insert(scope.clone());
        told.extensions_mut().insert(Idempotency::NonIdempotent);
        told.extensions_mut().insert(Read::Stream);
        told.extensions_mut().insert(UrlTemplate("/{x}".into()));
        told.extensions_mut().insert(Timeouts::default().head(LEFT));
        told.extensions_mut().insert(CallStats::default());
        let mut common = Extensions::new();
        common.insert(Foreign(7));
        told.extensions_mut().insert(Shared::new(common).with_note(Arc::new(7_u8)));
        let kept = SavedRequest::of(&told);
        assert!(matches!(kept.told, SavedExtensions::Known(_)));
        let again = kept.request(LEFT);
        let extensions = again.extensions();
        assert_eq!(extensions.len(), 7);
        assert!(extensions.get::<CallStats>().is_some());
        assert_eq!(extensions::of(&again), Some(&Foreign(7)));
        assert_eq!(extensions::note::<u8, _>(&again).as_deref(), Some(&7));
        assert_eq!(extensions.get(), Some(&scope));
        assert_eq!(extensions.get(), Some(&Idempotency::NonIdempotent));
        assert_eq!(extensions.get(), Some(&Read::Stream));
        assert_eq!(extensions.get(), Some(&UrlTemplate("/{x}".into())));
        assert_eq!(extensions.get(), Some(&Timeouts::default().head(LEFT).total(LEFT)));
    }

    #[test]
    fn what_somebody_else_told_is_kept_too() {
        let mut told = request();
        told.extensions_mut().insert(Foreign(7));
        told.extensions_mut().insert(Idempotency::Idempotent);
        let again = SavedRequest::of(&told).request(LEFT);
        assert_eq!(
            (again.extensions().get(), again.extensions().get()),
            (Some(&Foreign(7)), Some(&Idempotency::Idempotent))
        );
    }
}
