//! The life of a cluster, step by step, in memory.

mod credential;
mod life;
mod own;
mod simulator;
