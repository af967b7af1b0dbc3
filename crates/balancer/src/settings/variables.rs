//! Every variable of the balancer with its default and what it is for: `--help` and docs/settings.md show these words.

use evenkeel_service::{Component, Variable};

/// What the balancer says about itself on the command line.
pub(crate) const COMPONENT: Component = Component {
    name: "balancer",
    about: "Balances HTTP requests over the servers of one upstream, and moves them when a server fails.",
    prefix: "BALANCER_",
    health: Some("ADMIN_BIND"),
    variables: &[
        Variable::new("BIND", "0.0.0.0:8080", "where clients connect; off: nowhere but at BALANCER_TLS_BIND"),
        Variable::optional("TLS_BIND", "no TLS", "where clients connect with TLS, such as 0.0.0.0:8443"),
        Variable::optional(
            "TLS_CERTIFICATES",
            "no TLS",
            "a directory of NAME.crt (the certificate, then its chain) with NAME.key, or of NAME/fullchain.pem with privkey.pem; watched",
        ),
        Variable::new("TLS_MIN", "1.2", "the oldest version of TLS that is spoken: 1.2 or 1.3"),
        Variable::optional(
            "TLS_CLIENT_CA",
            "any client",
            "a PEM file: who signs the certificates that clients show; each goes on as Client-Cert; watched",
        ),
        Variable::new(
            "TLS_CLIENT_AUTH",
            "required",
            "with BALANCER_TLS_CLIENT_CA: required, or optional for clients that may come without a certificate",
        ),
        Variable::optional(
            "TLS_CLIENT_CRL",
            "nobody is revoked",
            "a PEM file: the lists of revoked client certificates, one of each issuer; watched",
        ),
        Variable::optional(
            "HTTPS_REDIRECT",
            "plain requests are served",
            "the port of https, such as 443: plain requests get 308 to it, but for those of ACME challenges and those that trusted proxies had over https",
        ),
        Variable::optional(
            "HSTS",
            "not said",
            "how long clients shall come over https alone, such as 1y: Strict-Transport-Security on answers over TLS that have none",
        ),
        Variable::new(
            "REUSEPORT",
            "off",
            "on: another balancer may listen on the same traffic ports, so that one can take over from the other; each needs an admin port of its own",
        ),
        Variable::new(
            "ADMIN_BIND",
            "0.0.0.0:9090",
            "where the live page, /livez, /readyz, /metrics and /api are answered",
        ),
        Variable::optional(
            "ADMIN_TOKEN",
            "read-only",
            "what drain, activate and weight must be asked with, as Authorization: Bearer <token>; 16 characters or more",
        )
        .or_file(),
        Variable::optional(
            "ADMIN_HOSTS",
            "addresses, names without a dot, and those under .localhost, .local and .internal",
            "further names that the admin interface is reached by, such as lb.example.net,lb2.example.net",
        ),
        Variable::new("ACCESS_LOG", "off", "a line for each request: off, text or json"),
        Variable::new(
            "ACCESS_LOG_SAMPLE",
            "1",
            "log one in so many requests, 0 for none; those that failed, moved or broke off are always logged",
        ),
        Variable::optional(
            "ACCESS_LOG_PATH",
            "standard output",
            "the file the access log is appended to; begun anew when it has been moved away",
        ),
        Variable::required(
            "UPSTREAM",
            "the servers, such as server:8080 or a:8080;weight=2,b:8080;backup; each name means all its addresses; anna=10.0.0.1:8080 calls one anna",
        ),
        Variable::new(
            "UPSTREAM_TLS",
            "off",
            "on: servers are spoken to over TLS, in requests and probes, and their certificates are always verified",
        ),
        Variable::optional(
            "UPSTREAM_TLS_CA",
            "nobody",
            "a PEM file: who signs the certificates of servers; required with BALANCER_UPSTREAM_TLS; watched",
        ),
        Variable::optional(
            "UPSTREAM_TLS_NAME",
            "the host in BALANCER_UPSTREAM",
            "the name that servers are asked for (SNI) and that their certificates have to be for",
        ),
        Variable::optional(
            "UPSTREAM_TLS_CERTIFICATE",
            "none is shown",
            "a PEM file: the certificate that servers are shown which ask for one, then its chain; watched",
        ),
        Variable::optional(
            "UPSTREAM_TLS_KEY",
            "none is shown",
            "a PEM file: the key of BALANCER_UPSTREAM_TLS_CERTIFICATE",
        ),
        Variable::new(
            "POLICY",
            "least_requests",
            "who gets the next request: least_requests, round_robin, random_two, peak_ewma or consistent_hash",
        ),
        Variable::new(
            "HASH_KEY",
            "client",
            "what consistent_hash hashes: client (its address), path, header:X-User or cookie:session",
        ),
        Variable::optional(
            "STICKY_COOKIE",
            "no sticky sessions",
            "the name of a cookie that keeps a client at its server, whatever the policy",
        ),
        Variable::optional(
            "STICKY_KEY",
            "a new one at each start",
            "a secret of at least 16 characters; balancers with the same one understand each other's cookies",
        )
        .or_file(),
        Variable::optional("SLOW_START", "off", "how long a server that returns takes to get its full share"),
        Variable::new(
            "PROBE",
            "http:/readyz",
            "how servers are probed: http:/path, http:9090/path, tcp or off",
        ),
        Variable::optional("PROBE_EXPECT", "any status below 500", "the one status that passes"),
        Variable::optional("PROBE_HOST", "the server's address", "the Host of probes, for servers that serve several sites"),
        Variable::new("PROBE_INTERVAL", "1s", "between two probes of a healthy server"),
        Variable::new("PROBE_TIMEOUT", "500ms", "until a probe has failed; 200ms at most for a suspect"),
        Variable::new("PROBE_FALL", "2", "failed probes in a row that eject a server"),
        Variable::new("PROBE_RISE", "2", "passed probes in a row that bring it back while others serve"),
        Variable::new("CONNECT_TIMEOUT", "3s", "to a connection with a server"),
        Variable::new("RESPONSE_TIMEOUT", "30s", "from a request sent to the head of its response"),
        Variable::new(
            "TOTAL_TIMEOUT",
            "60s",
            "for all attempts of a request together, to the beginning of its answer",
        ),
        Variable::new(
            "FIRST_BYTE_TIMEOUT",
            "10s",
            "for the first byte of a client's first request, the PROXY protocol header before it included; a client that says nothing \
             is accepted, and this begins, a second after it has connected",
        ),
        Variable::new("HEAD_TIMEOUT", "10s", "for a client to complete a request's head once it has begun"),
        Variable::new("BODY_TIMEOUT", "30s", "without progress of a body, in either direction"),
        Variable::new(
            "STREAM_TIMEOUT",
            "1h",
            "instead of BODY_TIMEOUT while a server is silent in text/event-stream, gRPC and other open-ended responses",
        ),
        Variable::new(
            "MIN_RATE",
            "1KiB/s",
            "at which a client sends a body or takes one while it is waited for, after 10s; then 408 or a reset; off: any",
        ),
        Variable::new(
            "TUNNEL_TIMEOUT",
            "1h",
            "without a byte in either direction after a change of protocol",
        ),
        Variable::new("IDLE_TIMEOUT", "75s", "for a client's connection between two requests"),
        Variable::new("SERVER_IDLE", "1500ms", "for a connection to a server between two requests"),
        Variable::new(
            "MAX_EJECTED",
            "50",
            "servers that failed requests may eject, in percent of all; one may always be, and never the last",
        ),
        Variable::new(
            "REPEAT",
            "idempotent",
            "which requests may be sent again elsewhere once something of them was sent: idempotent (also PUT and DELETE), safe (GET, HEAD, OPTIONS) or never",
        ),
        Variable::new("ATTEMPTS", "4", "tries of one request, each on another server; 1 to 4"),
        Variable::new("RACE", "on", "off: a slow connect is not raced by another server"),
        Variable::new("HEDGE", "on", "off: GET, HEAD and OPTIONS that wait long are not sent a second time"),
        Variable::new(
            "HEDGE_BUDGET",
            "5",
            "hedges allowed, in percent of recent requests; at once two, or one for eight requests in flight",
        ),
        Variable::new(
            "RETRY_BUDGET",
            "20",
            "retries on a status or a digest allowed, in percent of recent requests; 3 a second always are",
        ),
        Variable::new("MAX_IN_FLIGHT", "1024", "requests at once on one server"),
        Variable::new("MAX_QUEUE", "1024", "requests that wait for a server below that limit; beyond it 503"),
        Variable::new("QUEUE_TIMEOUT", "5s", "how long a request waits there; then 503"),
        Variable::new("MAX_BODY", "16GiB", "of a request; beyond it 413"),
        Variable::new("MAX_REQUEST_LINE", "8KiB", "beyond it 414"),
        Variable::new("MAX_HEAD", "32KiB", "of a request or a response; beyond it 431 or 502"),
        Variable::new("MAX_FIELDS", "100", "in a head, at most 256; beyond it 431 or 502"),
        Variable::optional(
            "MAX_CONNECTIONS",
            "what the descriptor limit allows",
            "of clients at once; beyond it 503",
        ),
        Variable::new(
            "VERIFY",
            "enforce",
            "digests of responses: enforce (a wrong one is a failed attempt), observe (count it) or off",
        ),
        Variable::new("KEEP", "64KiB", "of a request's body, kept to send it again elsewhere"),
        Variable::new("HOLD", "64KiB", "a response up to this size is held until it is whole"),
        Variable::optional("WORKERS", "one a core", "threads that carry traffic"),
        Variable::optional(
            "NAME",
            "evenkeel- and six hexadecimal digits, new at each start",
            "in Via and Proxy-Status",
        ),
        Variable::optional(
            "TRUSTED_PROXIES",
            "nobody",
            "networks whose X-Forwarded-*, X-Real-IP and Forwarded are believed, such as 10.0.0.0/8,fd00::/8",
        ),
        Variable::optional(
            "ALLOW",
            "everybody",
            "networks of the clients that are served, such as 10.0.0.0/8,fd00::/8; all others get 403",
        ),
        Variable::optional("DENY", "nobody", "networks of clients that get 403, also where BALANCER_ALLOW has them"),
        Variable::optional(
            "RATE",
            "any",
            "requests of one client address (of an IPv6 /64), such as 100/s, 600/m or 100/s;burst=200; beyond it 429; behind trusted proxies the address they name",
        ),
        Variable::optional(
            "CLIENT_CONNECTIONS",
            "any number",
            "of one client address (of an IPv6 /64) at once; beyond it 429, over TLS a closed connection; trusted proxies may have any number",
        ),
        Variable::optional(
            "REQUEST_SET",
            "nothing",
            "fields that every request gets in place of its own, as Name: value, one a line or with \\n between them",
        ),
        Variable::optional("REQUEST_REMOVE", "nothing", "fields that no request keeps, such as X-Debug,X-Internal-User"),
        Variable::optional(
            "RESPONSE_SET",
            "nothing",
            "fields that every response gets in place of the server's, as X-Frame-Options: DENY, one a line or with \\n between them",
        ),
        Variable::optional("RESPONSE_REMOVE", "nothing", "fields that no response keeps, such as Server,X-Powered-By"),
        Variable::optional(
            "ERROR_PAGES",
            "application/problem+json alone",
            "a directory of 503.html and the like, in UTF-8: what the balancer's own errors say to clients that prefer text/html; watched",
        ),
        Variable::new(
            "PROXY_PROTOCOL",
            "off",
            "on: every connection begins with a PROXY protocol header, version 1 or 2",
        ),
        Variable::new("FORWARD_UNDERSCORES", "off", "on: pass fields with an underscore in their name"),
        Variable::new(
            "ABORT_ON_CLOSE",
            "off",
            "on: a client that closes its sending side cancels its request",
        ),
        Variable::new(
            "UPGRADES",
            "websocket",
            "protocols that a connection may change to, such as websocket,foo/2; * for all but h2c; off for none",
        ),
        Variable::new(
            "RETRY_KEYED",
            "off",
            "on: a request with an Idempotency-Key may be sent again, whatever its method",
        ),
        Variable::new(
            "TRAIL",
            "off",
            "on: every response names the attempts that were made, in Proxy-Status",
        ),
        Variable::new(
            "RUNS",
            "off",
            "on: X-Evenkeel-Run and X-Evenkeel-Fault of any client are heard and passed on, for measurements; off: removed",
        ),
        Variable::new(
            "LEDGER",
            "16MiB",
            "with BALANCER_RUNS, how much to remember of their requests for GET /ledger; off: nothing",
        ),
        Variable::new(
            "LEAVE_AFTER",
            "0s",
            "from SIGTERM until the balancer begins to leave: /readyz says 503, the rest is as before",
        ),
        Variable::new("GRACE", "8s", "for clients to finish when the balancer leaves"),
    ],
};
