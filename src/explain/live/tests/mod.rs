//! Each link broken, each cause by its name, and what is printed to mend it.

mod chain;
mod control_plane;
mod declared;
mod fixtures;
mod links;
mod owners;
mod rights;
mod smallest;
