//! Contributions and reasons: that they add up to what the engine answers, and what becomes of them.

use super::{ALL, FOREST, LIGHTGBM, LINEAR, XGBOOST, bundle, model};
use millrace_processors::scoring::model::{
    Engine, Model, Scorer,
    explain::{REASONS_MAX, Scale},
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

/// Rows of what features may be, and now and then beyond.
fn rows() -> impl Strategy<Value = Vec<f32>> {
    let risk = prop_oneof![Just(-1.0_f32), 0.0..1.0_f32];
    let speed = prop_oneof![Just(-1.0_f32), 0.0..2_000.0_f32];
    let ratio = prop_oneof![Just(1.0_f32), 0.0..20.0_f32];
    let counts = (1..12_u8, 0..20_u8);
    (0.0..5_000.0_f32, ratio, counts, any::<bool>(), 0.0..1_000.0_f32, any::<bool>(), risk, speed).prop_map(
        |(amount, ratio, (few, more), device, hours, night, risk, speed)| {
            let day = f32::from(few) + f32::from(more);
            vec![
                amount,
                ratio,
                f32::from(few),
                day,
                f32::from(u8::from(device)),
                hours,
                f32::from(u8::from(night)),
                risk,
                speed,
            ]
        },
    )
}

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

#[test]
fn bias_and_contributions_add_up_to_what_the_engine_answers() {
    for name in ALL {
        let model = Arc::new(model(name));
        let scorer = RefCell::new(Scorer::new(Arc::clone(&model)).unwrap());
        let explainer = model.explainer().unwrap();
        let compared = Cell::new(0);
        TestRunner::deterministic()
            .run(&rows(), |row| {
                let raw = scorer.borrow_mut().score(&row).unwrap().raw;
                let mut each = vec![0.0; row.len()];
                let margin = explainer.contributions(&row, &mut each);
                prop_assert!((explainer.bias() + each.iter().sum::<f64>() - margin).abs() < 1e-9);
                match explainer.scale() {
                    Scale::Probability => prop_assert!((margin - raw).abs() < 1e-6, "{name}: {margin} for {raw}"),
                    Scale::LogOdds => {
                        // Near 0 and 1, a 32-bit probability tells its log-odds less exactly than contributions do.
                        prop_assert!((1.0 / (1.0 + (-margin).exp()) - raw).abs() < 1e-6, "{name}: {margin} for {raw}");
                        if (0.01..0.99).contains(&raw) {
                            prop_assert!((margin - logit(raw)).abs() < 1e-4, "{name}: {margin} for {}", logit(raw));
                            compared.set(compared.get() + 1);
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
        let compared = compared.get();
        assert!(
            compared > 100 || explainer.scale() == Scale::Probability,
            "{name}: {compared} rows compared as log-odds"
        );
    }
}

#[test]
fn what_a_model_is_explained_by_is_said() {
    let method = |name| model(name).explainer().map(|it| (it.scale(), it.method())).unwrap();
    assert_eq!(method(LIGHTGBM), (Scale::LogOdds, "paths through the trees, with the file's hit rates"));
    assert_eq!(method(XGBOOST), (Scale::LogOdds, "paths through the trees, with hit rates of the golden rows"));
    assert_eq!(method(FOREST), (Scale::Probability, "paths through the trees, with hit rates of the golden rows"));
    assert_eq!(method(LINEAR), (Scale::LogOdds, "the products of a linear model"));
}

/// With hit rates, the bias is the mean of what all training rows score: the trees' expected log-odds.
#[test]
fn with_hit_rates_the_bias_is_the_mean_of_the_training_rows() {
    let model = model(LIGHTGBM);
    let bias = model.explainer().unwrap().bias();
    // The mean log-odds of 12,000 rows of which 9.1% are fraud lie below log-odds of the mean.
    assert!((-4.0..-2.2).contains(&bias), "{bias}");
}

#[test]
fn reasons_are_groups_that_raise_the_score_with_the_largest_first() {
    let model = Arc::new(model(LIGHTGBM));
    let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
    let explainer = model.explainer().unwrap();
    let features: Vec<&str> = model.manifest().features.iter().map(|input| input.name.name()).collect();
    let mut several = 0;
    for golden in model.bundle().golden().rows() {
        let reasons = scorer.score(&golden.row).unwrap().reasons;
        let mut each = vec![0.0; golden.row.len()];
        explainer.contributions(&golden.row, &mut each);
        let of = |feature: &str| features.iter().position(|name| *name == feature).unwrap();
        let sum_of = |group: &[_]| -> f64 {
            group.iter().map(|feature: &millrace_processors::scoring::features::Feature| each[of(feature.name())]).sum()
        };
        let raising = model.manifest().reasons.iter().filter(|group| sum_of(&group.features) > 0.0).count();
        assert_eq!(reasons.len(), raising.min(REASONS_MAX));
        assert!(reasons.is_sorted_by(|a, b| a.contribution >= b.contribution));
        for reason in &reasons {
            let group = model.manifest().reasons.iter().find(|group| group.code == reason.code).unwrap();
            assert_eq!(group.text, reason.text);
            assert!((sum_of(&group.features) - reason.contribution).abs() < 1e-12);
            let largest = group.features.iter().map(|feature| each[of(feature.name())]).fold(f64::MIN, f64::max);
            assert_eq!(each[of(&reason.feature)], largest, "the feature that contributes most stands for its group");
            assert_eq!(reason.value, f64::from(golden.row[of(&reason.feature)]));
        }
        several += usize::from(reasons.len() > 1);
    }
    assert!(several > 20, "{several} rows with several reasons");
}

#[test]
fn a_suspicious_row_is_told_by_what_is_suspicious_of_it() {
    let model = Arc::new(model(LIGHTGBM));
    let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
    let usual = [30.0, 1.0, 1.0, 2.0, 0.0, 20.0, 0.0, 0.1, 10.0];
    let mut risky = usual;
    risky[7] = 0.7;
    let (usual, risky) = (scorer.score(&usual).unwrap(), scorer.score(&risky).unwrap());
    assert!(risky.score > usual.score + 0.05, "{} for {}", risky.score, usual.score);
    assert_eq!(risky.reasons[0].code, "risky_merchant", "{:?}", risky.reasons);
    assert_eq!(
        (risky.reasons[0].feature.as_str(), risky.reasons[0].value),
        ("merchant_risk_score", f64::from(0.7_f32))
    );
}

/// An engine that is not what its file says.
struct Shifted(Box<dyn Engine>);

impl Engine for Shifted {
    fn run(&mut self, row: &[f32]) -> Result<f32, millrace_processors::scoring::model::EngineError> {
        self.0.run(row).map(|probability| probability * 0.5)
    }
}

#[test]
fn a_model_that_its_trees_do_not_explain_gives_no_reasons_and_says_why() {
    let right = Arc::new(model(LIGHTGBM));
    let copy = super::changed(LIGHTGBM, "golden.csv", |text| {
        let halved = |line: &str| {
            let (cells, score) = line.rsplit_once(',').unwrap();
            score.parse::<f64>().map_or_else(|_| line.to_owned(), |score| format!("{cells},{}", score / 2.0))
        };
        text.lines().map(halved).collect::<Vec<_>>().join("\n")
    });
    let bundle = millrace_processors::scoring::model::Bundle::open(copy.path()).unwrap();
    let engines = move || Ok(Box::new(Shifted(right.engine()?)) as Box<dyn Engine>);
    let model = Arc::new(Model::with_engines(bundle, Box::new(engines)).unwrap());
    let why = model.explainer().err().unwrap();
    assert!(why.contains("its graph does more than they show"), "{why}");
    let row = &model.bundle().golden().rows()[0].row;
    assert_eq!(Scorer::new(Arc::clone(&model)).unwrap().score(row).unwrap().reasons, []);
}

#[test]
fn a_bundle_without_groups_gives_no_reasons() {
    let copy = super::changed(LIGHTGBM, "manifest.toml", |text| {
        let (before, rest) = text.split_once("[[reasons]]").unwrap();
        format!("{before}[histograms.score]{}", rest.split_once("[histograms.score]").unwrap().1)
    });
    let without = millrace_processors::scoring::model::Bundle::open(copy.path()).unwrap();
    let model = Arc::new(Model::load(without, &super::runtime()).unwrap());
    let row = bundle(LIGHTGBM).golden().rows()[0].row.clone();
    assert_eq!(Scorer::new(model).unwrap().score(&row).unwrap().reasons, []);
}
