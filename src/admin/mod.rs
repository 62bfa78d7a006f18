//! Health, readiness and metrics on a listener of its own.
