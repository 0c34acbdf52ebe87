# The operator's image: one static binary and nothing else. Build it in the repository's top folder:
#
#   docker build -t REGISTRY/argocd-access-operator:0.1.0 .
#
# and install the chart with image.repository=REGISTRY/argocd-access-operator.

FROM rust:1.95-alpine AS build
# For the parts of the TLS library that are C and assembler.
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --release --locked --bin argocd-access

FROM scratch
COPY --from=build /src/target/release/argocd-access /argocd-access
COPY LICENSE /LICENSE
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/argocd-access"]
