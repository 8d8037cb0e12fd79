//! One file per command or group of commands: its arguments, its examples, and what it does.

pub mod completions;
pub mod down;
pub mod engine;
pub mod logs;
pub mod reset;
pub mod sandbox;
pub mod status;
pub mod supervise;
pub mod up;
