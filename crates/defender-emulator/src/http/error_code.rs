//! The codes of the API's errors, as their page lists them.

use http::StatusCode;

/// A code of <https://learn.microsoft.com/defender-endpoint/api/common-errors>, and one that only the live-response page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the page has no more than their names")]
pub enum ErrorCode {
    BadRequest,
    ODataError,
    InvalidInput,
    InvalidRequestBody,
    InvalidHashValue,
    InvalidDomainName,
    InvalidIpAddress,
    InvalidUrl,
    MaximumBatchSizeExceeded,
    MissingRequiredParameter,
    OsPlatformNotSupported,
    ClientVersionNotSupported,
    ActiveRequestAlreadyExists,
    Unauthorized,
    Forbidden,
    DisabledFeature,
    DisallowedOperation,
    NotFound,
    ResourceNotFound,
    TooManyRequests,
    InternalServerError,
}

impl ErrorCode {
    pub(crate) const ALL: [Self; 21] = [
        Self::BadRequest,
        Self::ODataError,
        Self::InvalidInput,
        Self::InvalidRequestBody,
        Self::InvalidHashValue,
        Self::InvalidDomainName,
        Self::InvalidIpAddress,
        Self::InvalidUrl,
        Self::MaximumBatchSizeExceeded,
        Self::MissingRequiredParameter,
        Self::OsPlatformNotSupported,
        Self::ClientVersionNotSupported,
        Self::ActiveRequestAlreadyExists,
        Self::Unauthorized,
        Self::Forbidden,
        Self::DisabledFeature,
        Self::DisallowedOperation,
        Self::NotFound,
        Self::ResourceNotFound,
        Self::TooManyRequests,
        Self::InternalServerError,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code, as it stands in an error's body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::ODataError => "ODataError",
            Self::InvalidInput => "InvalidInput",
            Self::InvalidRequestBody => "InvalidRequestBody",
            Self::InvalidHashValue => "InvalidHashValue",
            Self::InvalidDomainName => "InvalidDomainName",
            Self::InvalidIpAddress => "InvalidIpAddress",
            Self::InvalidUrl => "InvalidUrl",
            Self::MaximumBatchSizeExceeded => "MaximumBatchSizeExceeded",
            Self::MissingRequiredParameter => "MissingRequiredParameter",
            Self::OsPlatformNotSupported => "OsPlatformNotSupported",
            Self::ClientVersionNotSupported => "ClientVersionNotSupported",
            Self::ActiveRequestAlreadyExists => "ActiveRequestAlreadyExists",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::DisabledFeature => "DisabledFeature",
            Self::DisallowedOperation => "DisallowedOperation",
            Self::NotFound => "NotFound",
            Self::ResourceNotFound => "ResourceNotFound",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalServerError => "InternalServerError",
        }
    }

    /// The status that it comes with.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.status_code().as_u16()
    }

    pub(crate) const fn status_code(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::DisabledFeature | Self::DisallowedOperation => StatusCode::FORBIDDEN,
            Self::NotFound | Self::ResourceNotFound => StatusCode::NOT_FOUND,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
