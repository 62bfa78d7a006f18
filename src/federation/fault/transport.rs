//! Faults of connections, certificates and TLS.

use super::{Fault, Severity, faults};

faults! { TRANSPORT:
    ADDR_DEAD Error "addr.dead"
    "every published address is tried by some server; where none answers, nobody can reach this one"
    "open TCP port {port} towards {address} (firewall, port forwarding), or let the proxy listen there"

    ADDR_IPV6 Warning "addr.ipv6"
    "servers with IPv6 try this address first and lose time, or give up"
    "listen [::]:{port} ssl;   # or remove the AAAA record of {asked}"

    ADDR_NO_IPV6 Info "addr.no_ipv6"
    "servers that have IPv6 only cannot reach this one"
    "{asked}. IN AAAA <the IPv6 address of your server>   ; in the DNS zone"

    TLS_PLAIN Error "tls.plain"
    "federation is HTTPS only, and on this port no TLS is spoken"
    "listen {port} ssl;   # nginx; HAProxy: bind :{port} ssl crt <file>"

    TLS_HANDSHAKE Error "tls.handshake"
    "without TLS nothing else works"
    "openssl s_client -connect {address} -servername {tls_name}   # shows the handshake"

    TLS_NAME Error "tls.name"
    "other servers want a certificate for the name in the server name or in m.server, not for an SRV target"
    "certbot certonly --domain {tls_name}   # and name that certificate for {tls_name} in the proxy"

    TLS_CHAIN_INCOMPLETE Error "tls.chain.incomplete"
    "browsers fetch a missing intermediate certificate, homeservers do not"
    "ssl_certificate /etc/letsencrypt/live/{tls_name}/fullchain.pem;   # not cert.pem"

    TLS_CHAIN_SELF_SIGNED Error "tls.chain.self_signed"
    "other servers trust public authorities only"
    "certbot certonly --domain {tls_name}   # or --ca-file where the federation is private"

    TLS_CHAIN_UNKNOWN Error "tls.chain.unknown"
    "other servers trust public authorities only"
    "certbot certonly --domain {tls_name}   # or --ca-file where the federation is private"

    TLS_CHAIN_BROKEN Error "tls.chain.broken"
    "other servers do not accept this certificate"
    "certbot certonly --force-renewal --domain {tls_name}"

    TLS_CHAIN_SHA1 Error "tls.chain.sha1"
    "signatures with SHA-1 are refused everywhere"
    "certbot certonly --force-renewal --domain {tls_name}"

    TLS_CHAIN_LEAVES Warning "tls.chain.leaves"
    "strict implementations stumble over a second server certificate in the chain"
    "send the certificate for {tls_name} and its intermediates only"

    TLS_EXPIRED Error "tls.expired"
    "other servers refuse an expired certificate"
    "certbot renew && systemctl reload nginx   # then see why renewal or reload did not happen for {tls_name}"

    TLS_NOT_YET Error "tls.not_yet"
    "other servers refuse a certificate whose time has not come"
    "timedatectl set-ntp true   # then request the certificate for {tls_name} anew"

    TLS_EXPIRING Warning "tls.expiring"
    "renewal should have happened by now; when the certificate expires, federation ends"
    "certbot renew --dry-run --cert-name {tls_name}"

    TLS_PROTO_OLD Warning "tls.proto.old"
    "TLS 1.0 and 1.1 are broken, and no homeserver needs them"
    "ssl_protocols TLSv1.2 TLSv1.3;"

    TLS_PROTO_NO_12 Warning "tls.proto.no12"
    "some implementations still speak TLS 1.2 only"
    "ssl_protocols TLSv1.2 TLSv1.3;"

    TLS_PROTO_NO_13 Warning "tls.proto.no13"
    "TLS 1.3 is faster and safer, and will be asked for"
    "ssl_protocols TLSv1.2 TLSv1.3;"

    TLS_PROTO_ALPN Error "tls.proto.alpn"
    "Synapse and Dendrite send HTTP/1.1; a server that speaks HTTP/2 alone cannot be reached"
    "offer http/1.1 beside h2 in ALPN   # HAProxy: alpn h2,http/1.1"

    TLS_NO_SNI Info "tls.nosni"
    "who connects without naming a host gets another certificate"
    "make the site of {tls_name} the default one, if old clients matter"

    HTTP_SILENT Error "http.silent"
    "the connection stands and no answer comes: senders wait a minute and back off"
    "see that the homeserver answers: curl -v http://127.0.0.1:8008/_matrix/federation/v1/version"

    HTTP_HOST_PORT Error "http.host.port"
    "servers send Host with the port that they were told, and the proxy knows the host without port only"
    "let the proxy match {host_header} too   # HAProxy: hdr_dom(host) or hdr(host),field(1,:)"

    HTTP_HOST_OTHER Warning "http.host.other"
    "a request for another host is answered by another homeserver's site"
    "make a site that answers 421 or 404 the default one on {address}"

    HTTP_REDIRECT Error "http.redirect"
    "no server follows redirects of federation requests: a 3xx is a failure to it"
    "proxy /_matrix to the homeserver, and redirect other paths only   # {location}"

    HTTP_STATUS Error "http.status"
    "other servers cannot fetch the signing keys, and so verify nothing of this server"
    "location ~ ^(/_matrix|/_synapse/client) { proxy_pass http://127.0.0.1:8008; }   # on {target}"

    HTTP_UPSTREAM Error "http.upstream"
    "the proxy answers, and the homeserver behind it does not"
    "curl http://127.0.0.1:8008/health   # is Synapse running, and does proxy_pass name its port?"

    HTTP_PREFIX Error "path.prefix"
    "the homeserver does not recognise its own endpoint: the path was cut on the way, or its listener lacks `federation`"
    "proxy_pass http://127.0.0.1:8008;   # no slash and no path behind the port; resources: [{names: [client, federation]}]"
}
