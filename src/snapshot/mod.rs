//! What runs: a configuration compiled into one immutable value.
