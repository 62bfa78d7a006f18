//! Checks and header rules: pure functions over data.
