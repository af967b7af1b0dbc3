# Evenkeel's images: one file, one target for each component.
#
#   docker build --target balancer -t evenkeel-balancer .
#
# All binaries come out of one compilation that the images share. They are static, so that an image is
# the binary, the directory its journal may go to, and nothing else: no shell, no libc, no package.

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /evenkeel
COPY Cargo.toml Cargo.lock ./
COPY crates crates
ENV RUSTFLAGS="-C target-feature=+crt-static"
COPY scripts/release scripts/release
# The target is named although it is the builder's own: without a name the flag would reach build
# scripts and procedural macros as well, and those cannot be static.
# The balancer is built with its profile. The client is built by itself: what its awc asks of actix-http (HTTP/2) would be in
# the server as well.
# Both mounts only save time. The target directory is locked because two platforms may build at once.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/evenkeel/target,sharing=locked \
    set -eu; \
    CARGO_BUILD_TARGET=$(rustc -vV | sed -n 's/^host: //p'); \
    export CARGO_BUILD_TARGET; \
    scripts/release server balancer; \
    scripts/release client; \
    mkdir -p /out /empty/journals /empty/certs/authority; \
    cd "target/$CARGO_BUILD_TARGET/release"; \
    cp server balancer client /out/

# What makes certificates for docker-compose.tls.yml, and is in no other image.
FROM builder AS certificates-builder
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/evenkeel/target,sharing=locked \
    set -eu; \
    target=$(rustc -vV | sed -n 's/^host: //p'); \
    cargo build --locked --release --target "$target" -p evenkeel-certificates; \
    cp "target/$target/release/certificates" /out/

# What every image has in common. A named volume takes its owner from the image's directory the first
# time it is mounted, whichever container comes first; hence the directory is in all of them.
FROM scratch AS base
LABEL org.opencontainers.image.source="https://github.com/evenkeel/evenkeel" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=builder --chown=65532:65532 /empty/ /
USER 65532:65532

FROM base AS server
LABEL org.opencontainers.image.title="evenkeel-server" \
      org.opencontainers.image.description="The configurable HTTP server behind the balancer"
COPY --from=builder /out/server /server
EXPOSE 8080 9090
HEALTHCHECK --interval=3s --timeout=2s --start-period=5s --retries=2 CMD ["/server", "healthcheck"]
ENTRYPOINT ["/server"]

FROM base AS balancer
LABEL org.opencontainers.image.title="evenkeel-balancer" \
      org.opencontainers.image.description="The HTTP load balancer"
COPY --from=builder /out/balancer /balancer
EXPOSE 8080 9090
HEALTHCHECK --interval=3s --timeout=2s --start-period=5s --retries=2 CMD ["/balancer", "healthcheck"]
ENTRYPOINT ["/balancer"]

FROM base AS client
LABEL org.opencontainers.image.title="evenkeel-client" \
      org.opencontainers.image.description="Sends, verifies, measures and reports"
COPY --from=builder /out/client /client
ENTRYPOINT ["/client"]

FROM base AS certificates
LABEL org.opencontainers.image.title="evenkeel-certificates" \
      org.opencontainers.image.description="An authority and certificates for trying the set out over TLS"
COPY --from=certificates-builder /out/certificates /certificates
ENTRYPOINT ["/certificates"]
