//! The response actions of Defender for Endpoint. Nothing is in here yet.
