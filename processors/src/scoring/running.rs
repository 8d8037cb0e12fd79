//! Models that run: loaded when a configuration that names them is taken up, and kept while anybody decides by it.

use super::model::{Bundle, BundleError, Model, Pool, PoolOptions, Runtime, RuntimeError};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Makes a model of a bundle.
type Load = dyn Fn(Bundle) -> Result<Model, BundleError> + Send + Sync;

/// Loads models and keeps those that are in use.
pub struct Models {
    /// Or why no model can be loaded here.
    load: Result<Box<Load>, String>,
    options: PoolOptions,
    running: Mutex<BTreeMap<String, Weak<Pool>>>,
}

impl Models {
    /// Models run by ONNX Runtime, where that could be opened.
    pub fn run_by(runtime: Result<Runtime, RuntimeError>, options: PoolOptions) -> Self {
        match runtime {
            Ok(runtime) => Self::loaded_by(Box::new(move |bundle| Model::load(bundle, &runtime)), options),
            Err(error) => Self { load: Err(error.to_string()), options, running: Mutex::default() },
        }
    }

    /// Models made by a function.
    pub fn loaded_by(load: Box<Load>, options: PoolOptions) -> Self {
        Self { load: Ok(load), options, running: Mutex::default() }
    }

    /// None at all.
    pub fn none() -> Self {
        Self::without("this process runs no models".to_owned())
    }

    /// None, for a reason.
    pub fn without(reason: String) -> Self {
        Self { load: Err(reason), options: PoolOptions::default(), running: Mutex::default() }
    }

    /// A model on its threads; the one that runs already where there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn pool(&self, bundle: &Bundle) -> Result<Arc<Pool>, String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let version = bundle.version();
        if let Some(pool) = running.get(&version).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        let load = self.load.as_ref().map_err(Clone::clone)?;
        let model = load(bundle.clone()).map_err(|error| error.to_string())?;
        let pool = Pool::new(Arc::new(model), &self.options).map(Arc::new).map_err(|error| error.to_string())?;
        running.retain(|_, pool| pool.strong_count() > 0);
        running.insert(version, Arc::downgrade(&pool));
        Ok(pool)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("options", &self.options).finish_non_exhaustive()
    }
}
