# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
COPY migrations migrations
COPY schemas schemas
COPY examples examples
# The cache mounts keep compiled dependencies between builds. cargo detects changes by modification time,
# and the files of an older commit may be older than the cache: hence `touch`.
# 64-bit ARM kernels have pages of 4, 16 or 64 KiB. An allocator built for 64 KiB runs on all of them; one
# built for smaller pages aborts at start on larger ones.
# `grep` verifies that the binary has no kill points for tests (src/kill_points.rs).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    find src migrations schemas examples build.rs -type f -exec touch {} + && \
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi && \
    cargo build --locked --profile dist --bin order-worker && \
    ! grep -q ORDER_WORKER_KILL_AT target/dist/order-worker && \
    cp target/dist/order-worker /usr/local/bin/

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 10001 --user-group --no-create-home --home-dir /data order-worker && \
    install -d -o 10001 -g 10001 /data
COPY --from=build /usr/local/bin/order-worker /usr/local/bin/
# Requests from outside the container are not local: without HTTP_TOKENS, only /health responds to them.
ENV LOG_FORMAT=json HTTP_ADDR=0.0.0.0:8080
EXPOSE 8080
# The default database is an SQLite file in the working directory.
WORKDIR /data
VOLUME /data
# A numeric id, which Kubernetes' runAsNonRoot requires.
USER 10001:10001
STOPSIGNAL SIGTERM
# Queries the worker of this container at HTTP_ADDR.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["order-worker", "healthcheck"]
ENTRYPOINT ["order-worker"]
CMD ["run"]
