//! Where requests go: addresses, pools, timeouts.
