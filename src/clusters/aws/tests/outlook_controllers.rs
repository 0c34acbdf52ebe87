//! outlook_controllers
