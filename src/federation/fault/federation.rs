//! Faults of the federation API.

use super::{Fault, Severity, faults};

faults! { FEDERATION:
    VER_SCHEMA Warning "ver.schema"
    "the version answers what is no JSON with server.name and server.version"
    "proxy /_matrix/federation on {target} to the homeserver"

    KEY_JSON Error "key.json"
    "other servers cannot read the signing keys, and so verify nothing of this server"
    "proxy /_matrix/key on {target} to the homeserver"

    KEY_SERVER_NAME Error "key.server_name"
    "keys of another server name are thrown away"
    "server_name: {server_name}   # homeserver.yaml; or lead {host} to the right homeserver"

    KEY_NONE Error "key.none"
    "without an Ed25519 key nothing of this server can be verified"
    "signing_key_path: /etc/matrix-synapse/homeserver.signing.key   # homeserver.yaml"

    KEY_SIGNATURE Error "key.signature"
    "keys that do not sign their own document are thrown away"
    "see that nothing between rewrites JSON bodies of /_matrix/key/v2/server"

    KEY_POINT Error "key.point"
    "the key is no 32 bytes of a sound Ed25519 key, and servers refuse it"
    "generate_signing_key -o homeserver.signing.key   # list the old one in old_signing_keys"

    KEY_BANNED Error "key.banned"
    "this key was published (CVE-2026-24044): anybody can sign in the name of the server"
    "generate_signing_key -o homeserver.signing.key   # do not list the old one anywhere"

    KEY_EXPIRED Error "key.expired"
    "a key past its valid_until_ts verifies nothing; usually a cache serves an old document"
    "take /_matrix/key/v2/server out of every cache   # proxy_cache off;"

    KEY_EXPIRING Warning "key.expiring"
    "the document is valid for less than an hour, though Synapse renews it at half of its life"
    "take /_matrix/key/v2/server out of every cache; key_refresh_interval: 1d"

    KEY_LONG Info "key.long"
    "servers treat keys as valid for seven days at most"
    "key_refresh_interval: 1d   # homeserver.yaml"

    KEY_CONSISTENT Error "key.consistent"
    "which keys a server gets depends on the address it happens to take"
    "lead every address of {delegated} to the same homeserver: {addresses}"

    KEY_NOTARY Warning "key.notary"
    "servers that ask this one for keys cannot verify what this server signs"
    "curl https://{notary}/_matrix/key/v2/query/{server_name}   # it asks anew when its copy expires, if it can reach {target}"

    KEY_SKEW Warning "key.skew"
    "with a wrong clock certificates, keys and messages are from the future or expired"
    "timedatectl set-ntp true   # on the machine that answers for {target}"

    ROUTE_FEDERATION Error "http.route"
    "keys are answered, and the federation API is not: nobody can send anything"
    "location ~ ^(/_matrix|/_synapse/client) { proxy_pass http://127.0.0.1:8008; }   # not /_matrix/key alone"

    PATH_DECODED Error "path.decoded"
    "the proxy decodes %2F, so that signatures do not match and ids with a slash are not found"
    "proxy_pass http://127.0.0.1:8008;   # no slash behind the port; Apache: ProxyPass ... nocanon"

    PATH_REFUSED Error "path.refused"
    "the proxy refuses %2F, which room and event ids contain"
    "AllowEncodedSlashes NoDecode   # Apache; Tomcat, Traefik and others have a switch like it"

    PATH_ENCODED Error "path.encoded"
    "the proxy encodes the path anew, so that signatures do not match"
    "ProxyPass /_matrix http://127.0.0.1:8008/_matrix nocanon   # Apache"

    PATH_MERGED Error "path.merged"
    "the proxy makes // into /, so that signatures do not match"
    "forward the request target as it came: nginx: proxy_pass without a path; HAProxy: no normalize-uri; Envoy: merge_slashes: false"

    PATH_REDIRECTED Error "path.redirected"
    "the proxy redirects paths that it would write otherwise, and no server follows"
    "forward the request target as it came, without normalisation"

    PATH_PARAMETERS Error "path.parameters"
    "the proxy cuts off what follows a semicolon"
    "forward the request target as it came, without normalisation"

    PATH_CASE Error "path.case"
    "the proxy changes the case of %3a, so that signatures do not match"
    "forward the request target as it came, without normalisation   # HAProxy: no normalize-uri percent-to-uppercase"

    PATH_QUERY Error "path.query"
    "the proxy writes the query anew, so that signatures do not match"
    "forward the query as it came"

    JSON_UNKNOWN Error "json.unknown"
    "senders tell by M_UNRECOGNIZED that an endpoint is not supported; a page of HTML looks like an outage"
    "proxy_intercept_errors off;   # and no error_page for /_matrix"

    JSON_METHOD Warning "json.method"
    "a wrong method should be 405 with M_UNRECOGNIZED from the homeserver"
    "pass all methods on below /_matrix   # no limit_except, no method filter"

    AUTH_STRIPPED Error "auth.stripped"
    "without the Authorization header every request of another server is refused"
    "pass Authorization on   # nginx: no proxy_set_header Authorization \"\"; Apache: CGIPassAuth On"

    AUTH_CHALLENGE Error "auth.challenge"
    "the proxy wants a password of its own, which no server has"
    "auth_basic off;   # for /_matrix; Apache: Require all granted"

    LIMITS_BODY Warning "limits.body"
    "transactions and joins may have 12.5 MiB; refused ones make senders back off at once"
    "client_max_body_size 50M;   # as max_upload_size in homeserver.yaml"

    LIMITS_METHOD Warning "limits.method"
    "HEAD and OPTIONS belong to HTTP and CORS; something on the way refuses them"
    "pass all methods on below /_matrix   # no limit_except, no method filter"

    SIG_REFUSED Error "sig.refused"
    "a request signed with the server's own key is refused: something changes it on the way, or the key is another"
    "compare {key_id} with https://{target}/_matrix/key/v2/server"

    SIG_KEY Error "sig.key"
    "the key of --signing-key is not among those that the server publishes"
    "signing_key_path: <the file given>   # homeserver.yaml of {server_name}"

    SIG_PUT Error "sig.put"
    "signed GETs arrive, and signed PUTs do not: no messages come in"
    "pass the body of PUT on as it came: no rewriting, no WAF on /_matrix/federation"

    SIG_UNICODE Error "sig.unicode"
    "bodies beyond ASCII are changed on the way: most messages do not arrive"
    "pass the body of PUT on as it came: no charset conversion"

    SIG_LARGE Error "sig.large"
    "large transactions do not arrive, and senders back off"
    "client_max_body_size 50M;   # as max_upload_size in homeserver.yaml"

    SIG_CHUNKED Warning "sig.chunked"
    "bodies without Content-Length do not arrive"
    "proxy_http_version 1.1;   # and let chunked requests pass"

    SIG_TYPE Warning "sig.type"
    "requests without Content-Type do not arrive"
    "no rule about Content-Type on /_matrix/federation"
}
