//! Tests of the identities in AWS.

mod auth;
mod auth_properties;
mod documents;
mod evaluate;
mod examples;
pub(crate) mod fixtures;
mod fold;
mod objects;
mod outlook;
mod outlook_controllers;
