//! What Defender for Endpoint says about machine actions. Nothing is in here yet.
