//! (site, method, raw path) to a route: pure functions over data.
