//! Faults of the server name and of server discovery.

use super::{Fault, Severity, faults};

faults! { DISCOVERY:
    NAME_INVALID Error "name.invalid"
    "no server can federate under a name that the grammar of Matrix forbids"
    "check the part of a user id that follows its colon: @you:{server_name}"

    NAME_CASE Warning "name.case"
    "server names compare byte by byte, so spellings in upper case are other servers to some implementations"
    "server_name: {lower}   # homeserver.yaml, before the first user exists"

    NAME_TRAILING_DOT Error "name.trailing_dot"
    "a server name has no dot at its end; user ids with it belong to no server"
    "server_name: {lower}   # without the dot"

    NAME_PORT Warning "name.port"
    "with a port in the server name neither .well-known nor SRV is ever asked: the server can never move"
    "keep it for tests; a new server takes the name without port and delegates: {\"m.server\": \"{server_name}\"}"

    DNS_NONE Error "dns.none"
    "a name without A and AAAA records leads nowhere"
    "{asked}. IN A <the address of your server>   ; in the DNS zone"

    DNS_FAILED Error "dns.failed"
    "while its name servers fail, nobody finds this name; Synapse does not fall back either"
    "dig +trace {asked}   # shows which name server fails"

    DNS_PRIVATE Error "dns.private"
    "other servers refuse to connect to private addresses, and could not reach them"
    "{asked}. IN A <your public address>   ; --allow-private where all of the federation is private"

    WK_CONNECT Warning "wk.connect"
    "servers that cannot fetch .well-known go to SRV records or port 8448 for an hour"
    "listen 443 ssl; listen [::]:443 ssl;   # on {host} ({address}), and open it in the firewall"

    WK_TLS Warning "wk.tls"
    "servers check the certificate before they believe .well-known; on failure they go to port 8448 for an hour"
    "give port 443 a certificate for {host} with its whole chain: certbot --domain {host}"

    WK_STATUS Warning "wk.status"
    "only 200 counts; anything else sends servers to SRV records or port 8448 for an hour"
    "location = /.well-known/matrix/server { default_type application/json; return 200 '{\"m.server\": \"{target}\"}'; }"

    WK_REDIRECT_LOOP Error "wk.redirect.loop"
    "a redirect that leads back to itself is never answered"
    "answer https://{host}/.well-known/matrix/server itself with {\"m.server\": \"{target}\"}"

    WK_REDIRECT_LIMIT Error "wk.redirect.limit"
    "Synapse follows 20 redirects, others 10 or fewer"
    "answer https://{host}/.well-known/matrix/server itself with {\"m.server\": \"{target}\"}"

    WK_REDIRECT_BROKEN Error "wk.redirect.broken"
    "a redirect without a usable Location, or with status 300, is followed by nobody"
    "redirect with `return 302 https://<host>/.well-known/matrix/server;` or answer on {host} itself"

    WK_REDIRECT_RELATIVE Error "wk.redirect.relative"
    "Synapse resolves a relative Location of a second hop against the first URL, and lands elsewhere"
    "make each Location absolute: https://<host>/.well-known/matrix/server"

    WK_REDIRECT_308 Warning "wk.redirect.308"
    "Synapse before 1.136 may run a Twisted that does not know 308"
    "return 302 instead of 308 for https://{host}/.well-known/matrix/server"

    WK_REDIRECT_HTTP Warning "wk.redirect.http"
    "a hop over plain HTTP lets anybody on the way take over the server's federation"
    "redirect to https:// only"

    WK_REDIRECT_CHAIN Warning "wk.redirect.chain"
    "each hop is one more thing that breaks, and implementations differ in how they follow"
    "redirect https://{host}/.well-known/matrix/server straight to the last URL"

    WK_BODY_JSON Error "wk.body.json"
    "servers expect a JSON object; with anything else they go to SRV records or port 8448 for an hour"
    "location = /.well-known/matrix/server { default_type application/json; return 200 '{\"m.server\": \"{target}\"}'; }"

    WK_BODY_MISSING Error "wk.body.missing"
    "without the text `m.server` the document says nothing"
    "{\"m.server\": \"{target}\"}"

    WK_BODY_NAME Error "wk.body.name"
    "m.server is host[:port]: no scheme, no path, ASCII"
    "{\"m.server\": \"{suggested}\"}"

    WK_BODY_LARGE Error "wk.body.large"
    "Synapse reads 50 KiB and gives up"
    "{\"m.server\": \"{target}\"}   # and nothing else"

    WK_BODY_PORT Error "wk.body.port"
    "m.server without a port means SRV records, then port 8448, even if the server answers on 443"
    "{\"m.server\": \"{delegated}:443\"}"

    WK_BODY_PRIVATE Error "wk.body.private"
    "other servers refuse to connect to private addresses"
    "{\"m.server\": \"<a public name>:443\"}"

    WK_CACHE_SHORT Warning "wk.cache.short"
    "Synapse keeps the document five minutes only, so that each hiccup of the web server moves federation to port 8448"
    "Cache-Control: public, max-age=3600"

    WK_CACHE_QUOTED Warning "wk.cache.quoted"
    "Synapse cannot read a max-age that is no plain number, and keeps the document for 24 hours"
    "Cache-Control: public, max-age=3600"

    WK_CACHE_LONG Warning "wk.cache.long"
    "Synapse keeps the document 48 hours at most; others may keep it as long as they are told, after a move too"
    "Cache-Control: public, max-age=3600"

    WK_CONSISTENT_ADDRESS Error "wk.consistent.address"
    "which document a server gets depends on the address it happens to take"
    "serve the same file on every address of {host}: {addresses}"

    WK_CONSISTENT_AGENT Error "wk.consistent.agent"
    "some implementations are turned away by their User-Agent, and never find the server"
    "exempt /.well-known/matrix/ and /_matrix/ from the rules about User-Agents (WAF, bot protection)"

    SRV_FAILED Error "srv.failed"
    "while the look-up of the SRV record fails, Synapse does not connect at all"
    "dig SRV {asked}   # shows which name server fails"

    SRV_DEPRECATED Warning "srv.deprecated"
    "_matrix._tcp is deprecated since Matrix 1.8; implementations will cease to ask for it"
    "_matrix-fed._tcp.{delegated}. IN SRV 10 5 <port> <host>.   ; beside _matrix._tcp"

    SRV_DIFFER Warning "srv.differ"
    "old and new implementations are led to different places"
    "_matrix._tcp.{delegated}. with the same target and port as _matrix-fed._tcp.{delegated}."

    SRV_CNAME Error "srv.cname"
    "RFC 2782 forbids aliases as targets, and some resolvers do not follow them"
    "_matrix-fed._tcp.{delegated}. IN SRV 10 5 <port> <the name that the CNAME points to>."

    SRV_DOT Error "srv.dot"
    "the target `.` says that the service is not offered, and servers give up"
    "remove the SRV record of {asked}, or name a target"
}
