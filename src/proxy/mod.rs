//! The one `ProxyHttp`: the life of a request in order.
