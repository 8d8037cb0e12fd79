//! Models: what turns features into a probability of fraud, learned elsewhere and brought here as a bundle.
//!
//! - [`bundle`]: the files of a model, and that they agree with each other.
//! - [`runtime`]: ONNX Runtime, the library that runs models, opened at run time; without it there are no models and rules go on.
//! - [`engine`]: one model on one thread, as the rest sees it: a row in, a number out.
//! - [`loaded`]: a bundle that has proven itself on its golden rows, and a [`Scorer`], which scores with it where it stands.
//! - [`calibration`]: from the model's probability to one that can be believed.
//! - [`explain`]: which features made a score what it is.
//! - [`pool`]: models on threads of their own, with a bounded queue, a deadline for each score and a [`breaker`].
//!
//! A score is a function of the bundle and of the features. That none came in time is not: it is a [`Cause`], which the caller records
//! as a fact and never decides again. The pool alone knows a clock, which is given to it.

pub mod breaker;
pub mod bundle;
pub mod calibration;
pub mod engine;
pub mod explain;
pub mod loaded;
pub mod metrics;
mod onnx;
pub mod pool;
pub mod runtime;

pub use bundle::{Bundle, BundleError};
pub use engine::{Engine, EngineError};
pub use loaded::{Model, ModelScore, Scorer};
pub use pool::{Cause, Pool, PoolOptions, Ticket};
pub use runtime::{Runtime, RuntimeError};
