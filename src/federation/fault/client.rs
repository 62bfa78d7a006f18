//! Faults that clients see, and doors that should be shut.

use super::{Fault, Severity, faults};

faults! { CLIENT:
    CLIENT_WK_STATUS Error "client.wk.status"
    "with 404 clients use the server name; with any other status they refuse to log in"
    "serve https://{host}/.well-known/matrix/client with 200, or 404"

    CLIENT_WK_JSON Error "client.wk.json"
    "clients refuse to log in where the document is no JSON object"
    "{\"m.homeserver\": {\"base_url\": \"https://{host}\"}}"

    CLIENT_WK_BASE_URL Error "client.wk.base_url"
    "without the https URL m.homeserver.base_url clients refuse to log in"
    "{\"m.homeserver\": {\"base_url\": \"https://{host}\"}}"

    CLIENT_WK_VERSIONS Error "client.wk.versions"
    "clients check /_matrix/client/versions at base_url before they log in"
    "proxy /_matrix/client on {base_url} to the homeserver"

    CLIENT_WK_TYPE Warning "client.wk.type"
    "some clients read the document as application/json only"
    "default_type application/json;"

    CLIENT_WK_CORS Error "client.wk.cors"
    "without exactly one Access-Control-Allow-Origin browsers hide the document from web clients"
    "add_header Access-Control-Allow-Origin '*' always;   # once, on {host}, on redirects too"

    CLIENT_LINK Warning "client.link"
    "a service that the document names does not answer"
    "remove it from https://{host}/.well-known/matrix/client, or repair it: {link}"

    CLIENT_CORS_MISSING Error "client.cors.missing"
    "browsers refuse what web clients ask, and users see a network error"
    "let OPTIONS pass to the homeserver on {base_url}   # Synapse answers with CORS itself"

    CLIENT_CORS_DOUBLE Error "client.cors.double"
    "Synapse sends CORS headers; with those of the proxy there are two, and browsers accept neither"
    "remove `add_header Access-Control-Allow-Origin` for /_matrix on {base_url}"

    CLIENT_CORS_HEADERS Error "client.cors.headers"
    "web clients may not send Authorization or their methods, so that nobody can log in"
    "let OPTIONS pass to the homeserver on {base_url}   # Synapse answers with CORS itself"

    SUPPORT_SCHEMA Info "support.schema"
    "the support document needs contacts or support_page"
    "{\"contacts\": [{\"role\": \"m.role.admin\", \"email_address\": \"admin@{host}\"}]}"

    FWD_LOOP Error "fwd.loop"
    "single sign-on redirects to itself for ever: Synapse sees another host or scheme than its public_baseurl"
    "proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https;   # public_baseurl: {base_url}"

    FWD_PROTO Warning "fwd.proto"
    "Synapse believes that it is reached by http, and gives out such URLs"
    "public_baseurl: {base_url}   # homeserver.yaml; or public_base of the authentication service, with https"

    FWD_HOST Warning "fwd.host"
    "Synapse gives out URLs of a host that nobody outside can use"
    "public_baseurl: {base_url}   # homeserver.yaml"

    LEAK_ADMIN Error "leak.admin"
    "a stolen token of an admin is enough to take over the server from anywhere"
    "location ~ ^(/_matrix|/_synapse/client) { proxy_pass ...; }   # not /_synapse as a whole"

    LEAK_REPLICATION Error "leak.replication"
    "workers speak here without authentication"
    "keep the replication listener on 127.0.0.1, and /_synapse/replication out of the proxy"

    LEAK_METRICS Error "leak.metrics"
    "metrics tell strangers who is served, and how much"
    "keep the metrics listener on 127.0.0.1, and /metrics and /_synapse/metrics out of the proxy"
}
