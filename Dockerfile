# syntax=docker/dockerfile:1
# A scratch image with one static binary. `scripts/check-image-steps` runs the same steps without images.

FROM docker.io/library/rust:1.95-bookworm AS build
# mimalloc and zstd are C: they need a compiler that targets musl.
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*
RUN rustup target add x86_64-unknown-linux-musl
WORKDIR /src
# What `charthouse version` names: docker build --build-arg CHARTHOUSE_COMMIT=$(git rev-parse HEAD)
ARG CHARTHOUSE_COMMIT
COPY Cargo.toml Cargo.lock ./
# Not built, but cargo reads every member of the workspace.
COPY tests/s3-double tests/s3-double
COPY src src
COPY config config
RUN cargo build --locked --release --bin charthouse --target x86_64-unknown-linux-musl
# The tree of the image: scratch has no mkdir.
RUN install -D target/x86_64-unknown-linux-musl/release/charthouse /image/usr/bin/charthouse && mkdir /image/data

FROM scratch
COPY --from=build --chown=10001:10001 /image /
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
# A container is reached from outside itself, under other names than localhost: auth.anonymous must then say what everybody
# may do, see docs/security.md.
ENV CHARTHOUSE_SERVER_LISTEN=0.0.0.0:5000 CHARTHOUSE_STORAGE_URL=/data
VOLUME /data
# Metrics and probes stay on the container's loopback until CHARTHOUSE_METRICS_LISTEN says otherwise, see docs/metrics.md.
EXPOSE 5000 5001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/bin/charthouse", "healthcheck"]
ENTRYPOINT ["/usr/bin/charthouse"]
CMD ["serve"]
