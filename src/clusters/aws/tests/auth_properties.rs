//! auth_properties
