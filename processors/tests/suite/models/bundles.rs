//! What is taken for a bundle, and how what is not is refused.

use super::{ALL, LIGHTGBM, XGBOOST, bundle, changed, folder};
use millrace_processors::scoring::{
    features::Feature,
    model::{
        Bundle,
        bundle::{Data, PACKED_MAX},
    },
};
use std::{fs, io::Write as _};

fn refusal(file: &str, change: impl FnOnce(String) -> String) -> String {
    Bundle::open(changed(LIGHTGBM, file, change).path()).unwrap_err().to_string()
}

/// The message that a manifest is refused with in which a text was replaced.
fn with_manifest(from: &str, to: &str) -> String {
    refusal("manifest.toml", |text| text.replacen(from, to, 1))
}

#[test]
fn a_bundle_tells_what_the_model_is_and_takes() {
    let bundle = bundle(LIGHTGBM);
    let manifest = bundle.manifest();
    assert_eq!(manifest.id, LIGHTGBM);
    assert_eq!(manifest.features[1].name, Feature::AmountToMean);
    assert_eq!(manifest.features[1].default, 1.0);
    assert_eq!((manifest.thresholds.review, manifest.thresholds.block), (0.3, 0.8));
    assert_eq!(manifest.train_from.to_string(), "2025-01-01T00:00:00Z");
    assert_eq!(manifest.train_to.millis() - manifest.train_from.millis(), 31 * 24 * 3_600_000);
    assert!(matches!(&manifest.created_from.data, Data::One(name) if name.contains("make.py")));
    assert_eq!(bundle.golden().rows().len(), 60);
    let speeds = &manifest.histograms.features[&Feature::SpeedKmh];
    assert_eq!(speeds.bin(f64::NEG_INFINITY), 0);
    assert_eq!(speeds.bin(speeds.edges[0]), 0, "an edge belongs to the bin below");
    assert_eq!(speeds.bin(f64::INFINITY), speeds.shares.len() - 1);
}

#[test]
fn an_empty_cell_of_a_golden_row_is_the_default() {
    let text = fs::read_to_string(folder(LIGHTGBM).join("golden.csv")).unwrap();
    let bundle = bundle(LIGHTGBM);
    let mut empty = 0;
    for (line, golden) in text.lines().skip(1).zip(bundle.golden().rows()) {
        for ((cell, input), value) in line.split(',').zip(&bundle.manifest().features).zip(&golden.row) {
            let expected = if cell.is_empty() { input.default } else { cell.parse().unwrap() };
            assert_eq!(*value, expected as f32, "{} on line {}", input.name, golden.line);
            empty += usize::from(cell.is_empty());
        }
    }
    assert!(empty > 30, "{empty} empty cells");
}

#[test]
fn packed_and_unpacked_it_is_the_same_bundle() {
    for name in ALL {
        let bundle = bundle(name);
        let packed = bundle.to_bytes().unwrap();
        assert_eq!(packed, bundle.to_bytes().unwrap(), "the same bytes for the same files");
        let unpacked = Bundle::from_bytes(&packed).unwrap();
        assert_eq!(unpacked.version(), bundle.version());
        assert_eq!((unpacked.manifest(), unpacked.golden()), (bundle.manifest(), bundle.golden()));
        assert_eq!(unpacked.model(), bundle.model());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&packed).unwrap();
        assert_eq!(Bundle::open(file.path()).unwrap().version(), bundle.version());
    }
}

#[test]
fn its_version_is_that_of_all_files() {
    let thresholds = changed(LIGHTGBM, "manifest.toml", |text| text.replace("review = 0.3", "review = 0.4"));
    let other = Bundle::open(thresholds.path()).unwrap();
    assert_eq!(other.manifest().sha256, bundle(LIGHTGBM).manifest().sha256);
    assert_ne!(other.version(), bundle(LIGHTGBM).version());
    assert!(other.version().starts_with("lightgbm-"), "{}", other.version());
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused_with_what_and_where() {
    let cases = [
        ("id = ", "name = \"x\"\nid = ", "unknown field `name`"),
        ("id = ", "name = \"x\"\nid = ", "line 2"),
        ("name = \"device_is_new\"", "name = \"device_is_old\"", "no feature \"device_is_old\"; features are amount, "),
        ("name = \"device_is_new\"", "name = \"device_is_old\"", "line 15"),
        ("name = \"device_is_new\", default = 0.0", "name = \"device_is_new\"", "missing field `default`"),
        ("name = \"device_is_new\"", "name = \"amount\"", "features[4]: amount is named twice"),
        (
            "name = \"device_is_new\", default = 0.0",
            "name = \"device_is_new\", default = nan",
            "features[4]: the default",
        ),
        ("id = \"lightgbm\"", "id = \"Light GBM\"", "id: \"Light GBM\" must be"),
        ("train_to = 2025-02-01", "train_to = 2025-01-01", "train_to: 2025-01-01T00:00:00Z is not after train_from"),
        ("train_to = 2025-02-01", "train_to = \"soon\"", "\"soon\" is no time"),
        ("review = 0.3", "review = 0.9", "thresholds: must lie in order"),
        ("kind = \"none\"", "kind = \"best\"", "unknown variant `best`"),
        ("kind = \"none\"", "kind = \"none\", slope = 1.0", "unknown field `slope`"),
        ("kind = \"none\"", "kind = \"platt\", slope = -1.0, intercept = 0.0", "calibration: slope and intercept"),
        ("features = [\"device_is_new\"]", "features = [\"speed_kmh\"]", "speed_kmh is in another group already"),
        (
            "features = [\"device_is_new\"]",
            "features = [\"km_from_previous\"]",
            "km_from_previous is none of the model's",
        ),
        ("code = \"new_device\"", "code = \"unusual_amount\"", "a code names one group"),
        ("[histograms.features.amount]", "[histograms.features.hour_utc]", "histograms.features.hour_utc: is none of"),
        (
            "[histograms.score]\nedges = [",
            "[histograms.score]\nedges = [2.0, ",
            "histograms.score: 10 edges make 11 bins",
        ),
        ("[histograms.features.is_night]\nedges = [", "[histograms.features.is_night]\nedges = [3.0, ", "edges make"),
        ("data = \"made up by training/fixture/make.py\"", "data = \"\"", "created_from.data: must name"),
    ];
    for (from, to, expected) in cases {
        let message = with_manifest(from, to);
        assert!(message.contains("manifest.toml: "), "{message}");
        assert!(message.contains(expected), "{from:?} -> {to:?}\n{message}");
    }
}

#[test]
fn histograms_must_be_shares_in_rising_bins() {
    let tampered = |line: &'static str, with: &'static str| {
        refusal("manifest.toml", |text| {
            let (before, after) = text.split_once("[histograms.features.is_night]\n").unwrap();
            let lines: Vec<&str> = after.lines().map(|it| if it.starts_with(line) { with } else { it }).collect();
            format!("{before}[histograms.features.is_night]\n{}", lines.join("\n"))
        })
    };
    let message = tampered("shares", "shares = [0.5, 0.6]");
    assert!(message.contains("is_night: "), "{message}");
    // The bins of a flag: up to 0, up to 1, above.
    assert!(tampered("shares", "shares = [0.5, 0.4, 0.2]").contains("shares add up to 1.1"));
    assert!(tampered("shares", "shares = [1.5, -0.5, 0.0]").contains("shares must lie between 0 and 1"));
    assert!(tampered("edges", "edges = [1.0, 0.0]").contains("edges must be finite and rise"));
    assert!(tampered("edges", "edges = [0.0, inf]").contains("edges must be finite and rise"));
}

#[test]
fn every_feature_has_a_histogram() {
    let message = refusal("manifest.toml", |text| {
        let (before, after) = text.split_once("[histograms.features.is_night]").unwrap();
        let rest = after.split_once("\n\n").unwrap().1;
        format!("{before}{rest}")
    });
    assert!(message.ends_with("manifest.toml: histograms.features: is_night has none"), "{message}");
}

#[test]
fn a_model_that_the_manifest_was_not_written_for_is_refused() {
    let copy = changed(LIGHTGBM, "golden.csv", |text| text + "\n");
    fs::copy(folder(XGBOOST).join("model.onnx"), copy.path().join("model.onnx")).unwrap();
    let message = Bundle::open(copy.path()).unwrap_err().to_string();
    let [own, other] = [XGBOOST, LIGHTGBM].map(|name| bundle(name).manifest().sha256.clone());
    assert!(
        message.contains(&format!("model.onnx has the SHA-256 {own}, and manifest.toml was written for {other}")),
        "{message}"
    );
    assert!(message.starts_with(&copy.path().display().to_string()), "{message}");
}

#[test]
fn golden_rows_that_are_none_are_refused_with_their_line() {
    let cell = refusal("golden.csv", |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[6] = lines[6].replacen(|c: char| c.is_ascii_digit(), "x", 1);
        lines.join("\n")
    });
    assert!(cell.contains("golden.csv, line 7: amount is \"x"), "{cell}");
    let heads = refusal("golden.csv", |text| text.replacen("amount_to_mean", "amount_to_deviation", 1));
    assert!(
        heads.contains("golden.csv, line 1: the heads must be the manifest's features in order, then score: amount,"),
        "{heads}"
    );
    let short = refusal("golden.csv", |text| text.lines().take(50).collect::<Vec<_>>().join("\n"));
    assert!(short.contains("golden.csv has 49 rows; at least 50 are needed"), "{short}");
    let torn = refusal("golden.csv", |text| text.trim_end().rsplit_once(',').unwrap().0.to_owned());
    assert!(torn.contains("golden.csv, line 61: "), "{torn}");
    let score = refusal("golden.csv", |text| text.trim_end().rsplit_once(',').unwrap().0.to_owned() + ",1.5");
    assert!(score.contains("line 61: the score is 1.5; it must be a probability"), "{score}");
}

#[test]
fn a_folder_without_a_file_says_what_a_bundle_holds() {
    let copy = changed(LIGHTGBM, "golden.csv", |text| text + "\n");
    fs::remove_file(copy.path().join("manifest.toml")).unwrap();
    let message = Bundle::open(copy.path()).unwrap_err().to_string();
    assert!(message.contains("manifest.toml cannot be read"), "{message}");
    assert!(message.ends_with("a bundle holds model.onnx, manifest.toml and golden.csv"), "{message}");
}

/// A pack with these entries.
fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    zstd::encode_all(tar.into_inner().unwrap().as_slice(), 3).unwrap()
}

#[test]
fn bytes_that_are_no_bundle_are_refused() {
    let message = |bytes: &[u8]| Bundle::from_bytes(bytes).unwrap_err().to_string();
    assert!(message(b"").starts_with("not a packed bundle") || message(b"").contains("is missing"));
    assert!(message(b"PK\x03\x04").starts_with("not a packed bundle"));
    let whole = bundle(LIGHTGBM).to_bytes().unwrap();
    assert!(message(&whole[..whole.len() / 2]).starts_with("not a packed bundle"));
    assert_eq!(
        message(&packed(&[("model.onnx", b"x"), ("manifest.toml", b"")])),
        "golden.csv is missing; a bundle holds model.onnx, manifest.toml and golden.csv"
    );
    assert!(message(&packed(&[("notes.txt", b"x")])).contains("\"notes.txt\" belongs to no bundle"));
    assert!(message(&packed(&[("model.onnx", b"x"), ("model.onnx", b"y")])).contains("model.onnx is in it twice"));
}

#[test]
fn bytes_that_would_become_too_many_are_refused_before_they_do() {
    let zeros = vec![0; 70 << 20];
    let bomb = packed(&[("model.onnx", &zeros)]);
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    let message = Bundle::from_bytes(&bomb).unwrap_err().to_string();
    assert_eq!(message, "the files of the bundle take more than 64 MiB, the most that is taken; train a smaller model");
    let message = Bundle::from_bytes(&vec![0; PACKED_MAX + 1]).unwrap_err().to_string();
    assert!(message.starts_with("the packed bytes of the bundle take more than 8 MiB"), "{message}");
}
