# The operator's image: one static binary and nothing else. Build it in the repository's top folder:
#
#   docker build -t REGISTRY/argocd-access-operator:0.1.0 .
#
# and install the chart with image.repository=REGISTRY/argocd-access-operator.

FROM rust:1.95-alpine AS build
# For the parts of the TLS library that are C and assembler, and for the allocator, which is C.
RUN apk add --no-cache make musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
# An arm64 kernel may have pages of 64 KiB, and the allocator has to know the largest.
RUN if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi; cargo build --release --locked --bin argocd-access

FROM scratch
COPY --from=build /src/target/release/argocd-access /argocd-access
COPY LICENSE /LICENSE
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/argocd-access"]
