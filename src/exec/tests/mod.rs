//! Tests of the plan: worlds in, writes and verdicts out.

pub mod fields;
pub mod fixtures;
mod simulator;
mod state_machine;

mod admission;
mod confinement;
mod confinement_in_doubt;
mod deletion;
mod exclusive;
mod flag;
mod fronts;
mod frozen;
mod ingress;
mod lives;
mod memory;
mod observe;
mod operated;
mod order;
mod ownership;
mod policy;
mod policy_size;
mod preview;
mod project;
mod project_others;
mod remote;
pub mod remote_proof;
mod restore;
mod server;
mod sessions;
mod status;
mod stop;
mod time;
mod versions;
