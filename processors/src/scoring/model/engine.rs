//! One model on one thread.

/// Runs a model. What it makes of a row depends on nothing but the row.
pub trait Engine: Send {
    /// The model's output for a row of features in the manifest's order: a probability, before it is calibrated.
    ///
    /// # Errors
    /// When the model cannot be run.
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError>;
}

/// Makes engines of one model, one for each thread that runs it.
pub type Engines = dyn Fn() -> Result<Box<dyn Engine>, EngineError> + Send + Sync;

/// A model could not be run, or what came out is no probability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

impl EngineError {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
