//! Models in ONNX Runtime: that they answer what they were trained to, and that what fails is an error.

use super::{ALL, FOREST, LIGHTGBM, LINEAR, XGBOOST, bundle, changed, folder, model, runtime};
use millrace_processors::scoring::{
    features::{Feature, Features},
    model::{Bundle, Engine, EngineError, Model, Runtime, Scorer, bundle::GoldenRow, loaded::GOLDEN_TOLERANCE},
};
use sha2::{Digest as _, Sha256};
use std::{fs, path::Path, sync::Arc};

#[test]
fn every_exporters_model_answers_its_golden_rows() {
    for name in ALL {
        let model = Arc::new(model(name));
        let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
        for GoldenRow { line, row, score } in model.bundle().golden().rows() {
            let got = scorer.score(row).unwrap().score;
            assert!((got - score).abs() <= GOLDEN_TOLERANCE, "{name}, line {line}: {got} for {score}");
        }
    }
}

#[test]
fn a_packed_bundle_scores_as_its_folder_does() {
    let packed = Bundle::from_bytes(&bundle(XGBOOST).to_bytes().unwrap()).unwrap();
    let from_pack = Arc::new(Model::load(packed, &runtime()).unwrap());
    let from_folder = Arc::new(model(XGBOOST));
    let mut scorers = [from_pack, Arc::clone(&from_folder)].map(|model| Scorer::new(model).unwrap());
    for golden in from_folder.bundle().golden().rows() {
        let [a, b] = scorers.each_mut().map(|scorer| scorer.score(&golden.row).unwrap());
        assert_eq!(a, b);
    }
}

#[test]
fn a_score_is_the_same_in_every_session_and_every_time() {
    let model = Arc::new(model(LIGHTGBM));
    let mut scorers = [(), ()].map(|()| Scorer::new(Arc::clone(&model)).unwrap());
    let rows = model.bundle().golden().rows();
    let first: Vec<_> = rows.iter().map(|golden| scorers[0].score(&golden.row).unwrap()).collect();
    for (golden, first) in rows.iter().zip(&first).rev() {
        for scorer in &mut scorers {
            assert_eq!(scorer.score(&golden.row).unwrap(), *first, "to the last bit");
        }
    }
}

#[test]
fn absent_features_are_what_the_manifest_says() {
    let model = model(LIGHTGBM);
    let mut features = Features::new();
    features.set(Feature::Amount, 12.5);
    features.set(Feature::Night, 1.0);
    features.set(Feature::HourUtc, 3.0);
    assert_eq!(model.row(&features), [12.5, 1.0, 1.0, 1.0, 0.0, 720.0, 1.0, -1.0, -1.0]);
}

#[test]
fn a_golden_row_with_another_score_refuses_the_bundle() {
    let off_by = |difference: f64| {
        changed(FOREST, "golden.csv", |text| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let (cells, score) = lines[3].rsplit_once(',').unwrap();
            lines[3] = format!("{cells},{}", score.parse::<f64>().unwrap() + difference);
            lines.join("\n")
        })
    };
    let near = Bundle::open(off_by(5e-7).path()).unwrap();
    Model::load(near, &runtime()).unwrap();
    let far = Bundle::open(off_by(2e-6).path()).unwrap();
    let message = Model::load(far, &runtime()).unwrap_err().to_string();
    assert!(message.starts_with("golden.csv, line 4: expected the score 0."), "{message}");
    assert!(message.contains(", got 0."), "{message}");
}

/// A bundle with another manifest or model, whose hash is right.
fn altered(name: &str, from: &str, to: &str, model: Option<&[u8]>) -> String {
    let copy = changed(name, "manifest.toml", |text| {
        let text = text.replacen(from, to, 1);
        let Some(model) = model else { return text };
        let own = bundle(name).manifest().sha256.clone();
        text.replacen(&own, &format!("{:x}", Sha256::digest(model)), 1)
    });
    if let Some(model) = model {
        fs::write(copy.path().join("model.onnx"), model).unwrap();
    }
    Model::load(Bundle::open(copy.path()).unwrap(), &runtime()).unwrap_err().to_string()
}

#[test]
fn a_model_of_another_shape_is_refused_in_words() {
    let message = altered(LIGHTGBM, "name = \"probabilities\"", "name = \"probability\"", None);
    assert!(message.contains("no output \"probability\"; its outputs are label, probabilities"), "{message}");
    let message = altered(LIGHTGBM, "column = 1", "column = 2", None);
    assert!(message.contains("probabilities") && message.contains("column"), "{message}");
    let message = altered(LIGHTGBM, "name = \"probabilities\"", "name = \"label\"", None);
    assert!(message.contains("label must be 32-bit floats"), "{message}");
    let message = altered(LIGHTGBM, "#", "# ", Some(b"no model"));
    assert!(message.starts_with("model.onnx cannot be run: it is no ONNX file"), "{message}");
    let torn = &fs::read(folder(LIGHTGBM).join("model.onnx")).unwrap()[..20_000];
    let message = altered(LIGHTGBM, "#", "# ", Some(torn));
    assert!(message.starts_with("model.onnx cannot be run: "), "{message}");
}

#[test]
fn a_model_of_another_number_of_features_is_refused() {
    let copy = changed(LINEAR, "manifest.toml", |text| {
        let text = text.replacen("    { name = \"is_night\", default = 0.0 },\n", "", 1);
        let (before, after) = text.split_once("[histograms.features.is_night]").unwrap();
        format!("{before}{}", after.split_once("\n\n").unwrap().1)
    });
    let golden = fs::read_to_string(copy.path().join("golden.csv")).unwrap();
    let without: Vec<String> = golden
        .lines()
        .map(|line| {
            line.split(',').enumerate().filter(|(at, _)| *at != 6).map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
        })
        .collect();
    fs::write(copy.path().join("golden.csv"), without.join("\n")).unwrap();
    let message = Model::load(Bundle::open(copy.path()).unwrap(), &runtime()).unwrap_err().to_string();
    assert!(
        message
            .starts_with("model.onnx and manifest.toml disagree: the input must be 32-bit floats of shape [rows, 8]"),
        "{message}"
    );
}

#[test]
fn without_the_library_models_are_refused_with_what_to_do() {
    let message = Runtime::open(Path::new("/nowhere/libonnxruntime.so")).err().unwrap().to_string();
    assert!(
        message.contains("cannot be loaded from /nowhere/libonnxruntime.so: there is no such file; run `make parts`"),
        "{message}"
    );
}

#[test]
fn a_process_has_one_library() {
    runtime();
    let other = tempfile::NamedTempFile::new().unwrap();
    let message = Runtime::open(other.path()).err().unwrap().to_string();
    assert!(message.ends_with("already, and a process has only one"), "{message}");
}

/// An engine that answers golden rows well, and then does as it is told.
struct Odd(Box<dyn Engine>, Answer);

type Answer = fn() -> Result<f32, EngineError>;

impl Engine for Odd {
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError> {
        if row[0] < 0.0 { (self.1)() } else { self.0.run(row) }
    }
}

#[test]
fn what_a_model_does_wrong_is_an_error_and_ends_nothing() {
    let right = Arc::new(model(LIGHTGBM));
    let cases: [(Answer, &str); 5] = [
        (|| Err(EngineError::new("out of luck")), "out of luck"),
        (|| panic!("a panic of the test"), "the model panicked"),
        (|| Ok(f32::NAN), "the model answered NaN, which is no probability"),
        (|| Ok(f32::INFINITY), "the model answered inf"),
        (|| Ok(1.5), "the model answered 1.5"),
    ];
    for (wrong, expected) in cases {
        let from = Arc::clone(&right);
        let engines = move || Ok(Box::new(Odd(from.engine()?, wrong)) as Box<dyn Engine>);
        let model = Arc::new(Model::with_engines(bundle(LIGHTGBM), Box::new(engines)).unwrap());
        let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
        let row = &model.bundle().golden().rows()[0].row;
        let before = scorer.score(row).unwrap();
        let mut asks_for_it = row.clone();
        asks_for_it[0] = -1.0;
        let message = scorer.score(&asks_for_it).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(scorer.score(row).unwrap(), before);
    }
}

#[test]
fn a_row_that_is_not_finite_is_not_asked() {
    let model = Arc::new(model(LIGHTGBM));
    let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
    let mut row = model.bundle().golden().rows()[0].row.clone();
    row[2] = f32::NAN;
    assert!(scorer.score(&row).unwrap_err().to_string().starts_with("feature 2 of the row is NaN"));
}
