//! ONNX Runtime: a C library that is opened at run time. There is none in the program, and none is needed for rules.

use super::{
    bundle::{BundleError, Manifest},
    engine::{Engine, EngineError},
};
use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{Session, builder::GraphOptimizationLevel},
    value::{TensorElementType, TensorRef, ValueType},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The library, open.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

/// The library cannot be had. Rules go on without it.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It cannot be loaded.
    #[error(
        "models cannot be run: ONNX Runtime cannot be loaded from {}: {reason}; run `make parts`, or let ORT_DYLIB_PATH name a libonnxruntime.so of version 1.20 or later",
        library.display()
    )]
    Library {
        /// The file.
        library: PathBuf,
        /// What was said.
        reason: String,
    },
    /// A process has one.
    #[error("ONNX Runtime was loaded from {} already, and a process has only one", library.display())]
    Another {
        /// The file it was loaded from.
        library: PathBuf,
    },
}

/// The one of this process; it is never closed.
static OPEN: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Opens the library, once in a process; later calls get the same.
    ///
    /// # Errors
    /// When it cannot be loaded, or another was loaded before.
    pub fn open(library: &Path) -> Result<Self, RuntimeError> {
        let library = &std::path::absolute(library).unwrap_or_else(|_| library.to_owned());
        let failed = |reason: String| RuntimeError::Library { library: library.clone(), reason };
        // The library's own search for a bare name would not be the one that was meant.
        if !library.is_file() {
            return Err(failed("there is no such file".to_owned()));
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*open {
            let same = runtime.library == *library;
            return if same {
                Ok(runtime.clone())
            } else {
                Err(RuntimeError::Another { library: runtime.library.clone() })
            };
        }
        let builder = ort::init_from(library).map_err(|error| failed(error.to_string()))?;
        let builder = builder.with_name("millrace").with_telemetry(false).with_logger(Arc::new(log));
        let environment = builder.build().map_err(|error| failed(error.to_string()))?;
        let runtime = Self { environment, library: library.clone() };
        *open = Some(runtime.clone());
        Ok(runtime)
    }

    /// Version and build of the library, as it says it.
    pub fn version(&self) -> &'static str {
        ort::info()
    }

    /// A model on one thread.
    ///
    /// # Errors
    /// When the library refuses it, or it takes and gives other things than its manifest says.
    pub(super) fn engine(&self, model: &[u8], manifest: &Manifest) -> Result<OrtEngine, BundleError> {
        let session = self.session(model).map_err(|error| BundleError::NotRunnable(error.message().to_owned()))?;
        let input = check_shape(&session, manifest).map_err(BundleError::OtherShape)?;
        Ok(OrtEngine { session, input, output: manifest.output.name.clone(), column: manifest.output.column })
    }

    fn session(&self, model: &[u8]) -> Result<Session, ort::Error> {
        // One thread each: a row is too little work to share, and sums must not depend on who is idle.
        Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(plain)?
            .with_intra_threads(1)
            .map_err(plain)?
            .with_inter_threads(1)
            .map_err(plain)?
            .commit_from_memory(model)
    }
}

fn plain<R>(error: ort::Error<R>) -> ort::Error {
    ort::Error::new(error.message())
}

/// What the library says goes to our log.
fn log(level: LogLevel, _category: &str, _id: &str, _place: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::warn!(target: "onnxruntime", "{message}"),
        _ => tracing::debug!(target: "onnxruntime", "{message}"),
    }
}

/// The name of the only input, when it and the output are what the manifest says.
fn check_shape(session: &Session, manifest: &Manifest) -> Result<String, String> {
    let [input] = session.inputs() else {
        return Err(format!(
            "it has {} inputs; there must be one, with a column for each feature",
            session.inputs().len()
        ));
    };
    let wanted = manifest.features.len();
    match input.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. }
            if shape.len() == 2 && [-1, 1].contains(&shape[0]) && [-1, wanted as i64].contains(&shape[1]) => {}
        other => return Err(format!("the input must be 32-bit floats of shape [rows, {wanted}], and is {other}")),
    }
    let (name, column) = (&manifest.output.name, manifest.output.column);
    let Some(output) = session.outputs().iter().find(|output| output.name() == name) else {
        let known: Vec<&str> = session.outputs().iter().map(|output| output.name()).collect();
        return Err(format!("it has no output {name:?}; its outputs are {}", known.join(", ")));
    };
    match output.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. }
            if shape.last().is_none_or(|columns| *columns < 0 || (column as i64) < *columns) =>
        {
            Ok(input.name().to_owned())
        }
        ValueType::Sequence(_) => Err(format!("{name} is a sequence of maps; export it with zipmap off")),
        other => Err(format!("{name} must be 32-bit floats with a column {column}, and is {other}")),
    }
}

/// A model in ONNX Runtime.
pub(super) struct OrtEngine {
    session: Session,
    input: String,
    output: String,
    column: usize,
}

impl Engine for OrtEngine {
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError> {
        let failed = |error: ort::Error| EngineError::new(error.message());
        let row = TensorRef::from_array_view(([1, row.len()], row)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => row]).map_err(failed)?;
        let output = outputs.get(&self.output).ok_or_else(|| EngineError::new("the output is missing"))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        let value = values.get(self.column).copied();
        value.ok_or_else(|| EngineError::new(format!("{} has {} columns", self.output, values.len())))
    }
}
