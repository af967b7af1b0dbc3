//! Every `CLIENT_…` variable with its default and what it is for: `--help` and the table in docs/settings.md come from here.

use evenkeel_service::{Component, Variable};

/// The client as its command line knows it.
pub(crate) const COMPONENT: Component = Component {
    name: "client",
    about: "Sends requests, verifies every response, measures and reports.",
    prefix: "CLIENT_",
    variables: &[
        Variable::required(
            "TARGET",
            "where to send, such as http://balancer:8080 or https://balancer:8443; a comma list is measured one after the other and compared",
        ),
        Variable::optional(
            "TLS_CA",
            "required for https",
            "a file (PEM) with the certificates of the authorities that may have signed the target's; none is built in",
        ),
        Variable::optional(
            "TLS_CERTIFICATE",
            "none is shown",
            "a file (PEM) with the client's own certificate and its chain, for a target that asks for one (mTLS)",
        ),
        Variable::optional("TLS_KEY", "none", "a file (PEM) with the key of that certificate"),
        Variable::new(
            "TLS_RESUME",
            "on",
            "whether a new connection goes on from the TLS session of an earlier one; off has each shake hands anew",
        ),
        Variable::new("WAIT", "60s", "how long to wait until the target is ready; then it ends with 69"),
        Variable::new("READY", "/", "the path asked while waiting: any answer below 500 is ready"),
        Variable::optional(
            "ADMIN",
            "not asked",
            "the balancer's admin interface, such as http://balancer:9090: its /readyz must answer 200 as well",
        ),
        Variable::optional(
            "ADMIN_BIND",
            "no listener",
            "where the client's own /livez and /metrics are answered as long as it runs, such as 127.0.0.1:9100",
        ),
        Variable::new(
            "REQUESTS",
            "1000",
            "how many requests; without a limit where CLIENT_DURATION or CLIENT_PHASES is set alone",
        ),
        Variable::optional(
            "DURATION",
            "until the requests are sent",
            "how long to send; the first limit reached ends the run",
        ),
        Variable::optional("CONCURRENCY", "16, or 1024 with a rate", "how many requests at a time, at most"),
        Variable::optional(
            "RATE",
            "as soon as the last one is answered",
            "requests a second, whatever the target does (open loop); latency counts from the moment a request was due",
        ),
        Variable::optional(
            "PHASES",
            "one, of the whole run",
            "such as warm-up:5s,ramp:10s@50..500,steady:60s@500: name, length and, if wanted, rate; latencies of warm-up do not count",
        ),
        Variable::new("METHOD", "GET", "the method of every request"),
        Variable::new("PATH", "/", "path and query of every request"),
        Variable::optional(
            "BODY",
            "no body",
            "the size of every request's body, such as 1KiB; it is sent with its Content-Digest",
        ),
        Variable::new("EXPECT", "2xx", "the status that is right: 2xx, or one such as 404"),
        Variable::optional(
            "MIX",
            "one kind of request",
            "several kinds, such as GET /;weight=8,POST /echo;body=1KiB;echo;keyed;weight=2,GET /status/404;expect=404, in place of METHOD, PATH, BODY and EXPECT",
        ),
        Variable::new("SEED", "1", "what the mix is drawn from: the same seed gives the same requests"),
        Variable::optional("USERNAME", "no credentials", "the user of Basic authentication"),
        Variable::optional("PASSWORD", "no credentials", "the password of Basic authentication").or_file(),
        Variable::family(
            "FIELD_",
            "a field that every request carries: CLIENT_FIELD_ACCEPT=text/plain sends Accept: text/plain, CLIENT_FIELD_X_DEMO sends X-Demo",
        ),
        Variable::new(
            "CONNECTIONS",
            "keep-alive",
            "keep-alive, or fresh: a new connection for every request",
        ),
        Variable::new(
            "TIMEOUT",
            "75s",
            "how long a request may take; longer than the balancer's own deadline, so that its answer is seen",
        ),
        Variable::new("CONNECT_TIMEOUT", "5s", "how long opening a connection may take"),
        Variable::new(
            "VERIFY",
            "present",
            "digests: present verifies those that come, required fails a response without one, off looks at none",
        ),
        Variable::new("SHOW", "2", "how many of the first responses to print"),
        Variable::new("SHOW_BODY", "256", "how much of each body to print"),
        Variable::new(
            "PROGRESS",
            "auto",
            "how to show the run while it goes on, on standard error: terminal (bars), lines (one every five seconds), none, or auto: the first on a terminal, else lines",
        ),
        Variable::new(
            "FAILURES",
            "20",
            "how many of the first failures to report whole, up to 10000; all are counted",
        ),
        Variable::new(
            "SLO",
            "failed=0,wrong=0,dropped=0",
            "what the run has to achieve: failed, wrong, late, dropped, duplicates (0 or 0.1%), gap, p50, p90, p99, p99.9, slowest (250ms), rate (200), verdict=proved; with = < <= > >=",
        ),
        Variable::optional(
            "JOURNALS",
            "no proof is attempted",
            "the directory of the servers' journals (SERVER_JOURNAL): reconciled with what was seen and with the ledger of the balancer that CLIENT_ADMIN names",
        ),
        Variable::optional("REPORT_JSON", "not written", "the file to write the report to as JSON"),
        Variable::optional(
            "REPORT_HTML",
            "not written",
            "the file to write the report to as a page with charts",
        ),
        Variable::optional(
            "RUN",
            "made up",
            "the run's name, sent as X-Evenkeel-Run and as the beginning of every X-Request-Id",
        ),
    ],
    health: None,
};
