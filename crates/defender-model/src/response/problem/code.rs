//! Codes of the error body.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// Error code of the service.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/common-errors>; `ActiveRequestAlreadyExists` is on
    /// the page of live response only.
    Code {
        /// 400: the request is invalid.
        BadRequest = "BadRequest",
        /// 400: the OData query is invalid.
        ODataError = "ODataError",
        /// 400: a value is invalid.
        InvalidInput = "InvalidInput",
        /// 400: the body is invalid; names are case-sensitive.
        InvalidRequestBody = "InvalidRequestBody",
        /// 400: a hash is invalid.
        InvalidHashValue = "InvalidHashValue",
        /// 400: a domain name is invalid.
        InvalidDomainName = "InvalidDomainName",
        /// 400: an IP address is invalid.
        InvalidIpAddress = "InvalidIpAddress",
        /// 400: a URL is invalid.
        InvalidUrl = "InvalidUrl",
        /// 400: too many items in one request.
        MaximumBatchSizeExceeded = "MaximumBatchSizeExceeded",
        /// 400: a required parameter is missing.
        MissingRequiredParameter = "MissingRequiredParameter",
        /// 400: the machine's system does not support the action.
        OsPlatformNotSupported = "OsPlatformNotSupported",
        /// 400: the machine's sensor is too old for the action.
        ClientVersionNotSupported = "ClientVersionNotSupported",
        /// 400: an action of this type is pending on this machine.
        ActiveRequestAlreadyExists = "ActiveRequestAlreadyExists",
        /// 401: the token is missing, invalid or expired.
        Unauthorized = "Unauthorized",
        /// 403: the token does not allow the call.
        Forbidden = "Forbidden",
        /// 403: the feature is disabled, or not licensed.
        DisabledFeature = "DisabledFeature",
        /// 403: the operation is not allowed.
        DisallowedOperation = "DisallowedOperation",
        /// 404: the resource does not exist.
        NotFound = "NotFound",
        /// 404: the resource does not exist.
        ResourceNotFound = "ResourceNotFound",
        /// 429: too many requests, by number or by their cost.
        TooManyRequests = "TooManyRequests",
        /// 500: the service failed.
        InternalServerError = "InternalServerError",
    }
}
