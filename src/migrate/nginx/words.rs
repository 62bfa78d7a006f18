//! Directives whose name alone says what becomes of them.

/// A name, or its beginning where it ends in `*`, and why we do without it.
pub(super) const NOT_NEEDED: &[(&str, &str)] = &[
    ("include", "what it names was read in its place"),
    ("http", "what is in it is listed by itself"),
    ("server", "what is in it is listed by itself"),
    (
        "events",
        "connections are spread over the cores (`threads`)",
    ),
    (
        "worker_*",
        "there is a worker thread for each core (`threads`)",
    ),
    (
        "multi_accept",
        "connections are spread over the cores (`threads`)",
    ),
    ("use", "the system's best way to wait is taken"),
    ("user", "the service manager says who runs it"),
    ("pid", "the service manager knows the process"),
    ("daemon", "the service manager runs it"),
    ("load_module", "it is one program without modules"),
    ("error_log", "messages go to standard error (`log`)"),
    ("sendfile", "files are sent as the system does best"),
    ("tcp_nopush", "what belongs together is written together"),
    ("tcp_nodelay", "it is always so"),
    ("aio", "files are read on threads of their own"),
    ("directio", "files are read on threads of their own"),
    ("types", "the types of files are known"),
    ("types_hash_*", "the types of files are known"),
    (
        "default_type",
        "well-known documents and files have the right types",
    ),
    (
        "charset",
        "well-known documents and files have the right types",
    ),
    ("server_tokens", "no version is told"),
    (
        "server_names_hash_*",
        "any number of names is looked up alike",
    ),
    ("variables_hash_*", "there are no variables"),
    ("map_hash_*", "there are no variables"),
    ("merge_slashes", "targets are passed on byte for byte"),
    (
        "absolute_redirect",
        "redirects name the host that was asked for",
    ),
    ("port_in_redirect", "redirects go to the https port"),
    (
        "underscores_in_headers",
        "fields are passed on as they came",
    ),
    (
        "ignore_invalid_headers",
        "heads that can be read in two ways are refused",
    ),
    (
        "large_client_header_buffers",
        "`limits.head_size` is 64K, `limits.target_size` 16K",
    ),
    ("client_header_buffer_size", "`limits.head_size` is 64K"),
    ("client_header_timeout", "`timeouts.head` is 15s in all"),
    (
        "client_body_timeout",
        "`timeouts.body_idle`: a body has to bring 1 KiB/s",
    ),
    ("client_body_*", "bodies are passed on as they come"),
    ("send_timeout", "`timeouts.write` is 60s"),
    ("reset_timedout_connection", "it is always so"),
    (
        "lingering_*",
        "a client that still sends is read for two seconds",
    ),
    (
        "keepalive_*",
        "`timeouts.idle` is 180s, because other servers take a close as a failure",
    ),
    (
        "keepalive",
        "connections to upstreams are kept, and dropped before Synapse does",
    ),
    ("proxy_http_version", "upstreams are asked by HTTP/1.1"),
    ("proxy_buffering", "bodies are passed on as they come"),
    ("proxy_buffer*", "bodies are passed on as they come"),
    (
        "proxy_busy_buffers_size",
        "bodies are passed on as they come",
    ),
    (
        "proxy_request_buffering",
        "bodies are passed on as they come",
    ),
    ("proxy_max_temp_file_size", "nothing is written to disk"),
    ("proxy_temp_*", "nothing is written to disk"),
    ("fastcgi_temp_path", "nothing is written to disk"),
    ("uwsgi_temp_path", "nothing is written to disk"),
    ("scgi_temp_path", "nothing is written to disk"),
    (
        "proxy_headers_hash_*",
        "any number of fields is looked up alike",
    ),
    (
        "proxy_redirect",
        "redirects are passed on as the homeserver sends them",
    ),
    (
        "proxy_connect_timeout",
        "`timeouts.connect` is 5s, and requests wait for a restart (`timeouts.hold`)",
    ),
    (
        "proxy_read_timeout",
        "each endpoint has the patience it needs",
    ),
    (
        "proxy_send_timeout",
        "upstreams that take nothing are given up by their endpoint",
    ),
    (
        "proxy_next_upstream*",
        "what may be asked twice is asked again",
    ),
    (
        "proxy_socket_keepalive",
        "idle connections are dropped before Synapse does",
    ),
    (
        "proxy_ignore_client_abort",
        "a client that leaves ends its request, as Synapse expects",
    ),
    ("proxy_pass_request_*", "heads and bodies are passed on"),
    ("http2", "HTTP/2 is spoken on every listener"),
    (
        "http2_*",
        "HTTP/2 is spoken on every listener, within `limits`",
    ),
    ("ssl", "listeners on 443 and 8448 have TLS"),
    ("ssl_ciphers", "TLS 1.2 and 1.3 have sound ciphers only"),
    (
        "ssl_prefer_server_ciphers",
        "TLS 1.2 and 1.3 have sound ciphers only",
    ),
    (
        "ssl_dhparam",
        "keys are exchanged by X25519, P-256, P-384 and ML-KEM",
    ),
    (
        "ssl_ecdh_curve",
        "keys are exchanged by X25519, P-256, P-384 and ML-KEM",
    ),
    (
        "ssl_conf_command",
        "TLS 1.2 and 1.3 have sound ciphers only",
    ),
    (
        "ssl_session_*",
        "sessions are resumed by tickets (`tls.ticket_secret`)",
    ),
    ("ssl_buffer_size", "records have the size that fits"),
    (
        "ssl_trusted_certificate",
        "it is for stapling, which clients do without",
    ),
    ("ssl_stapling*", "clients do without"),
    ("resolver*", "names are looked up as the system does"),
    ("zone", "all threads know the same"),
    (
        "hash",
        "requests of a user, a room or a server stay on one worker",
    ),
    (
        "ip_hash",
        "requests of a user, a room or a server stay on one worker",
    ),
    (
        "least_conn",
        "what belongs together goes to one worker, else the one with the least to do",
    ),
    (
        "random",
        "what belongs together goes to one worker, else the one with the least to do",
    ),
    ("index", "index.html is served where a folder is asked for"),
    ("log_not_found", "the access log has what it has"),
];

/// A name, or its beginning where it ends in `*`; why it is left out; what to do.
pub(super) const LEFT: &[(&str, &str, &str)] = &[
    (
        "gzip*",
        "bodies are passed on as the homeserver sends them",
        "nothing, or let the upstream compress",
    ),
    (
        "brotli*",
        "bodies are passed on as the homeserver sends them",
        "nothing, or let the upstream compress",
    ),
    (
        "limit_req*",
        "requests are not counted by the second",
        "Synapse's own rc_* limits, and `limits.requests_per_address` for those at a time",
    ),
    (
        "limit_conn*",
        "it is a limit of its own",
        "write `limits.connections_per_address`, 1000 by default",
    ),
    (
        "limit_rate*",
        "answers are not slowed down",
        "nothing, or do it in the network",
    ),
    (
        "auth_basic*",
        "there are no passwords at the door",
        "limit a route to `networks`",
    ),
    (
        "auth_request*",
        "nobody else is asked whether a request may pass",
        "limit a route to `networks`; for keeping users on a worker nothing is needed",
    ),
    (
        "satisfy",
        "there are no passwords at the door",
        "limit a route to `networks`",
    ),
    (
        "proxy_cache*",
        "media are not kept at the door",
        "nothing: keys, version and the like are kept by `edge_cache`",
    ),
    (
        "proxy_no_cache",
        "media are not kept at the door",
        "nothing",
    ),
    (
        "proxy_ssl_*",
        "an https upstream is checked against the system's authorities",
        "write `homeserver = { url = ..., ca = ..., tls_name = ... }`",
    ),
    (
        "proxy_hide_header",
        "answers keep the fields of the upstream",
        "change it in the upstream",
    ),
    (
        "proxy_pass_header",
        "answers keep the fields of the upstream",
        "nothing",
    ),
    (
        "proxy_ignore_headers",
        "answers keep the fields of the upstream",
        "nothing",
    ),
    (
        "proxy_bind",
        "the system chooses the address",
        "routes of the system",
    ),
    ("proxy_method", "methods are passed on", "nothing"),
    (
        "proxy_intercept_errors",
        "errors of the homeserver are passed on, its own are Matrix JSON",
        "nothing",
    ),
    (
        "error_page",
        "errors are Matrix JSON, which clients can read",
        "nothing",
    ),
    (
        "more_set_headers",
        "fields are not added",
        "`hsts` for Strict-Transport-Security; CORS is there",
    ),
    (
        "more_clear_headers",
        "fields are not removed",
        "change it in the upstream",
    ),
    (
        "expires",
        "documents have their own Cache-Control",
        "`well_known.max_age`",
    ),
    ("etag", "files have their own ETag", "nothing"),
    (
        "sub_filter*",
        "bodies are not changed",
        "change it in the upstream",
    ),
    ("rewrite_log", "targets are not changed", "nothing"),
    (
        "fastcgi_*",
        "FastCGI is not spoken",
        "keep nginx for it on a port of its own, and give it a [[routes]] with `upstream`",
    ),
    (
        "uwsgi_*",
        "uWSGI is not spoken",
        "keep nginx for it on a port of its own, and give it a [[routes]] with `upstream`",
    ),
    (
        "scgi_*",
        "SCGI is not spoken",
        "keep nginx for it on a port of its own, and give it a [[routes]] with `upstream`",
    ),
    (
        "grpc_*",
        "gRPC is not spoken",
        "keep nginx for it on a port of its own",
    ),
    (
        "stream",
        "other protocols than HTTP are not passed on",
        "keep nginx for it",
    ),
    (
        "mail",
        "other protocols than HTTP are not passed on",
        "keep nginx for it",
    ),
    (
        "ssl_client_certificate",
        "certificates of clients are asked for by listener",
        "write `client_ca` in [[listeners]]",
    ),
    (
        "ssl_verify_*",
        "certificates of clients are asked for by listener",
        "write `client_ca` in [[listeners]]",
    ),
    (
        "ssl_password_file",
        "keys with a password are not read",
        "store the key without one: openssl pkey -in KEY -out NEW",
    ),
    (
        "ssl_crl",
        "certificates of clients are not looked up in lists",
        "take the authority out of `client_ca`",
    ),
    (
        "ssl_early_data",
        "requests in early data can be repeated by strangers",
        "nothing",
    ),
    (
        "ssl_reject_handshake",
        "a listener has one rule for unknown names",
        "write tls.unknown_names = \"refuse\"",
    ),
    (
        "http3*",
        "HTTP/3 is not spoken",
        "nothing: clients take HTTP/2",
    ),
    (
        "quic*",
        "HTTP/3 is not spoken",
        "nothing: clients take HTTP/2",
    ),
    (
        "log_format",
        "the access log has a format of its own, without tokens",
        "write access_log.format = \"json\" for programs",
    ),
    (
        "open_log_file_cache",
        "the access log has a thread of its own",
        "nothing",
    ),
    (
        "autoindex*",
        "folders are not listed",
        "keep nginx for it on a port of its own",
    ),
    (
        "dav_*",
        "files are read only",
        "keep nginx for it on a port of its own",
    ),
    (
        "limit_except",
        "methods are not refused by path",
        "limit a route to `networks`",
    ),
    (
        "internal",
        "every route is open to its `networks`",
        "leave the route out",
    ),
    ("mirror*", "requests are not doubled", "nothing"),
    (
        "js_*",
        "there are no scripts",
        "nothing: requests of a user, a room or a server stay on one worker",
    ),
    (
        "lua_*",
        "there are no scripts",
        "nothing, or keep nginx for it",
    ),
    (
        "perl*",
        "there are no scripts",
        "nothing, or keep nginx for it",
    ),
    (
        "geo*",
        "there are no variables",
        "limit a route to `networks`",
    ),
    (
        "split_clients",
        "there are no variables",
        "name the workers in [[workers]]",
    ),
    (
        "upstream_conf",
        "what runs is told by the admin listener",
        "write [admin]",
    ),
    (
        "stub_status",
        "metrics are on the admin listener",
        "ask http://127.0.0.1:9180/metrics",
    ),
    (
        "try_files",
        "there are only files and folders",
        "one [[routes]] for each place",
    ),
    (
        "real_ip_recursive",
        "trusted proxies are always skipped from the right",
        "nothing",
    ),
    (
        "rewrite",
        "targets are never changed",
        "write a [[routes]] with `redirect`, or let the upstream do it",
    ),
    ("break", "targets are never changed", "nothing"),
    (
        "root",
        "no rule of the site serves files",
        "write a [[routes]] with `folder`",
    ),
    (
        "client_max_body_size",
        "it is for no path that was carried over",
        "write `max_body_size` of a [[routes]]",
    ),
    (
        "set",
        "no proxy_pass of the site needs the variable",
        "nothing",
    ),
];
