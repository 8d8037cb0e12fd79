//! One file per command or group of commands: its arguments, its examples, and what it does.

pub mod bench;
pub mod completions;
pub mod config;
pub mod configure;
pub mod deadletters;
pub mod down;
pub mod engine;
pub mod grade;
pub mod loadgen;
pub mod logs;
pub mod model;
pub mod overview;
pub mod pause;
pub mod rebuild;
pub mod replay;
pub mod reset;
pub mod sandbox;
pub mod services;
pub mod setup;
pub mod status;
pub mod supervise;
pub mod topics;
pub mod trace;
pub mod up;
pub mod watch;
