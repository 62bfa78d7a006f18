//! Log, access log and metrics: every name declared once.
