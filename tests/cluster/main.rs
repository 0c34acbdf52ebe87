//! Tests against a real API server.

#[path = "../support/mod.rs"]
mod support;

mod applications;
mod bench;
mod bench_operator;
mod half_world;
mod hands;
mod in_place;
mod ingress;
mod layers;
mod operator;
mod refused;
mod refused_writes;
mod repair;
mod schema;
mod several;
mod steady;
mod strays;
mod uninstall;
mod world;
