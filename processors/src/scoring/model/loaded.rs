//! A model that has proven itself on its golden rows, and what scores with it.

use super::{
    bundle::{Bundle, BundleError, Manifest},
    engine::{Engine, EngineError, Engines},
    explain::{Explainer, Scratch},
    onnx,
    runtime::Runtime,
};
use crate::scoring::features::Features;
use millrace_schemas::event::Reason;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How far a golden row's score may be from what is expected.
pub const GOLDEN_TOLERANCE: f64 = 1e-6;
/// How far beyond 0 and 1 an output may be and still be taken for the end of the range: sums of 32-bit numbers are.
const RANGE_TOLERANCE: f64 = 1e-6;

/// A bundle whose model answers its golden rows as it should.
pub struct Model {
    bundle: Bundle,
    engines: Box<Engines>,
    explainer: Result<Explainer, String>,
}

/// What a model makes of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelScore {
    /// The model's own probability of fraud.
    pub raw: f64,
    /// The calibrated one, 0 to 1: the score.
    pub score: f64,
    /// What raised it: the largest contribution first, [`super::explain::REASONS_MAX`] at most. Empty where the model cannot be explained.
    pub reasons: Vec<Reason>,
}

impl Model {
    /// Loads a bundle's model and checks its golden rows.
    ///
    /// # Errors
    /// When the library refuses the model, it is not what the manifest says, or a golden row has another score.
    pub fn load(bundle: Bundle, runtime: &Runtime) -> Result<Self, BundleError> {
        onnx::Model::graph(bundle.model()).map_err(BundleError::NotRunnable)?;
        // A first one by itself, so that a refusal is told as what it is.
        drop(runtime.engine(bundle.model(), bundle.manifest())?);
        let (runtime, of) = (runtime.clone(), bundle.clone());
        let engines = move || match runtime.engine(of.model(), of.manifest()) {
            Ok(engine) => Ok(Box::new(engine) as Box<dyn Engine>),
            Err(error) => Err(EngineError::new(error.to_string())),
        };
        Self::with_engines(bundle, Box::new(engines))
    }

    /// Loads a bundle whose model is run by these engines, and checks its golden rows.
    ///
    /// # Errors
    /// When there is no engine, or a golden row fails or has another score.
    pub fn with_engines(bundle: Bundle, engines: Box<Engines>) -> Result<Self, BundleError> {
        let graph = onnx::Model::graph(bundle.model()).map_err(BundleError::NotRunnable)?;
        let explainer = Explainer::new(&graph, bundle.manifest(), bundle.golden());
        let mut model = Self { bundle, engines, explainer };
        let mut engine = model.engine().map_err(|error| BundleError::NotRunnable(error.to_string()))?;
        for golden in model.bundle.golden().rows() {
            let raw = run(engine.as_mut(), &golden.row);
            let raw = raw.map_err(|error| BundleError::GoldenFails { line: golden.line, reason: error.to_string() })?;
            let got = model.manifest().calibration.apply(raw);
            if (got - golden.score).abs() > GOLDEN_TOLERANCE {
                return Err(BundleError::OtherScore { line: golden.line, expected: golden.score, got });
            }
            if let Err(reason) = model.explainer.as_ref().map_or(Ok(()), |explainer| explainer.prove(&golden.row, raw))
            {
                model.explainer = Err(reason);
            }
        }
        Ok(model)
    }

    /// Its name, as scores carry it.
    pub fn id(&self) -> &str {
        &self.manifest().id
    }

    /// SHA-256 of the ONNX file, as scores carry it.
    pub fn hash(&self) -> &str {
        &self.manifest().sha256
    }

    /// What it is and what it takes.
    pub fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// The bundle it was loaded from.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What gives the reasons of its scores.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub fn explainer(&self) -> Result<&Explainer, &str> {
        self.explainer.as_ref().map_err(String::as_str)
    }

    /// One more engine, for one more thread.
    ///
    /// # Errors
    /// When the library cannot make it.
    pub fn engine(&self) -> Result<Box<dyn Engine>, EngineError> {
        (self.engines)()
    }

    /// The features as the model takes them: in its order, in 32 bits, with its defaults for those that are absent.
    pub fn row(&self, features: &Features) -> Vec<f32> {
        let value = |input: &super::bundle::Input| features.get(input.name).unwrap_or(input.default) as f32;
        self.manifest().features.iter().map(value).collect()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("bundle", &self.bundle.version()).finish_non_exhaustive()
    }
}

/// Scores where it stands, on one thread, without a deadline. The pool's threads have one each.
pub struct Scorer {
    model: Arc<Model>,
    engine: Box<dyn Engine>,
    scratch: Scratch,
}

impl Scorer {
    /// A scorer with an engine of its own.
    ///
    /// # Errors
    /// When the library cannot make one.
    pub fn new(model: Arc<Model>) -> Result<Self, EngineError> {
        let engine = model.engine()?;
        Ok(Self { model, engine, scratch: Scratch::default() })
    }

    /// The score of a row of [`Model::row`].
    ///
    /// # Errors
    /// When the model fails, panics, or answers with what is no probability.
    pub fn score(&mut self, row: &[f32]) -> Result<ModelScore, EngineError> {
        let raw = run(self.engine.as_mut(), row)?;
        let score = self.model.manifest().calibration.apply(raw);
        let explained = self.model.explainer.as_ref();
        let reasons =
            explained.map_or_else(|_| Vec::new(), |it| it.reasons(self.model.manifest(), row, &mut self.scratch));
        Ok(ModelScore { raw, score, reasons })
    }
}

/// A probability of an engine that is not trusted.
fn run(engine: &mut dyn Engine, row: &[f32]) -> Result<f64, EngineError> {
    if let Some(at) = row.iter().position(|value| !value.is_finite()) {
        return Err(EngineError::new(format!("feature {at} of the row is {}, which no model is asked about", row[at])));
    }
    let output = catch_unwind(AssertUnwindSafe(|| engine.run(row)));
    let output = f64::from(output.map_err(|_| EngineError::new("the model panicked"))??);
    if !(-RANGE_TOLERANCE..=1.0 + RANGE_TOLERANCE).contains(&output) {
        return Err(EngineError::new(format!("the model answered {output}, which is no probability")));
    }
    Ok(output.clamp(0.0, 1.0))
}
