//! Sockets, TLS, connections and the head gate: the only files that know pingora-core's insides.
