//! Tests of what all resources share.

mod clock;
mod schedule;
