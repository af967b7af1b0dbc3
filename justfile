# Every script by its name, for those who like just: `just` lists them, `just faults --quick` runs one. Needs nothing of its own.

_list:
    @just --list

# the set as processes: three servers and the balancer
run *arguments:
    cargo run --locked --release {{arguments}}

# everything a change has to pass
test *arguments:
    scripts/test {{arguments}}

# the release binaries, the balancer's with its profile
release *arguments:
    scripts/release {{arguments}}

# the profile that the balancer's release binary is built with, made anew
profile *arguments:
    scripts/profile {{arguments}}

# each of the 81 protocol cases, with its result
protocol *arguments:
    scripts/protocol {{arguments}}

# what a suite for caches sees differently through the balancer, and the protocol cases
suites *arguments:
    scripts/suites {{arguments}}

# each fault played in Compose, every cell judged
faults *arguments:
    scripts/faults {{arguments}}

# 200 requests a second through a healthy set: nothing may be said to have happened
calm *arguments:
    scripts/calm {{arguments}}

# a million requests against servers that spoil their answers
f18 *arguments:
    scripts/f18 {{arguments}}

# slowhttptest's four modes, while an ordinary client goes on
slow *arguments:
    scripts/slow {{arguments}}

# what clients and servers must not harm the balancer by, in 64 MiB of memory
attack *arguments:
    scripts/attack {{arguments}}

# what scanners say of the TLS at an address, such as 127.0.0.1:8443
tls-scan *arguments:
    scripts/tls-scan {{arguments}}

# what each kind of request costs beside nginx and HAProxy
bench *arguments:
    scripts/bench {{arguments}}

# the same questionable bytes through the balancer, HAProxy and nginx
compare-strictness *arguments:
    scripts/compare-strictness {{arguments}}

# the pictures of the live page in the README
screenshots *arguments:
    scripts/screenshots {{arguments}}

# the manifests for Kubernetes, held against the schemas of its API
kubernetes-check *arguments:
    scripts/kubernetes-check {{arguments}}

# a certificate authority and certificates, to try the set out over TLS
certificates *arguments:
    scripts/certificates {{arguments}}
