//! Tests of the derivation and of what it rests on.

mod agent;
mod blind;
mod derive;
pub mod fixtures;
mod forged;
mod lives;
mod plan;
mod properties;
mod several;
mod simulator;
mod speed;
