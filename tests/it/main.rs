//! The real program over loopback, against a stub homeserver.
