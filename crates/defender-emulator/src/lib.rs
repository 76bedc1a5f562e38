//! Defender for Endpoint on loopback. Nothing is in here yet.
