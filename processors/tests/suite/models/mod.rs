//! Models, from outside: bundles, what runs them, what explains them, and the threads they run on. The models are made by
//! `training/fixture/make.py`.

mod bundles;
mod engine;
mod pool;
mod reasons;
mod scoring;

use millrace_processors::scoring::model::{Bundle, Model, Runtime};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// LightGBM with hit rates, uncalibrated.
const LIGHTGBM: &str = "lightgbm";
/// XGBoost, calibrated by Platt's way.
const XGBOOST: &str = "xgboost";
/// scikit-learn's random forest, calibrated by an isotonic function.
const FOREST: &str = "forest";
/// scikit-learn's logistic regression behind a scaler.
const LINEAR: &str = "linear";
const ALL: [&str; 4] = [LIGHTGBM, XGBOOST, FOREST, LINEAR];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

fn bundle(name: &str) -> Bundle {
    Bundle::open(&folder(name)).unwrap()
}

/// ONNX Runtime as `make parts` fetches it, or what `ORT_DYLIB_PATH` names.
fn runtime() -> Runtime {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let library = set("ORT_DYLIB_PATH").unwrap_or_else(|| {
        let cache = set("MILLRACE_CACHE").unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"));
        cache.join("parts/onnxruntime/libonnxruntime.so")
    });
    Runtime::open(&library).unwrap()
}

fn model(name: &str) -> Model {
    Model::load(bundle(name), &runtime()).unwrap()
}

/// A copy of a bundle's folder, in which one file was changed.
fn changed(name: &str, file: &str, change: impl FnOnce(String) -> String) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = copy.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let other = change(text.clone());
    assert_ne!(text, other, "the test changes nothing");
    fs::write(path, other).unwrap();
    copy
}
