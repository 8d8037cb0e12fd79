"""The model and its bundle: what ONNX Runtime makes of the file is what was trained, and the same training writes the same bytes."""

import csv
import hashlib
import tomllib

import lightgbm
import numpy as np
import pytest

from training import bundle, model
from training.shipped import onnx_scores
from training.train import Scored, thresholds

NAMES = model.FEATURES
CARD = bundle.Card("test-1", ["made up"], [1, 2], 17_000, 17_007, 0.1, 0.5)
QUICK = model.Settings(trees=40, leaves=7, learning_rate=0.2)


def made_up(count=6_000, seed=1):
    rng = np.random.default_rng(seed)
    rows = rng.gamma(1.5, 2.0, (count, len(NAMES))).astype(np.float32)
    log_odds = rows[:, NAMES.index("amount_to_mean")] + 2 * rows[:, NAMES.index("merchant_risk_7d")] - 25
    fraud = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    rows[rng.random(count) < 0.1, NAMES.index("hours_since_previous")] = np.nan
    return rows, fraud


@pytest.fixture(scope="module")
def trained():
    rows, fraud = made_up()
    return model.fit(model.filled(rows, NAMES), fraud, NAMES, QUICK), rows


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    booster, rows = trained
    folder = tmp_path_factory.mktemp("bundle")
    unseen = model.scores(booster, model.filled(made_up(seed=3)[0], NAMES))
    bundle.write(folder, CARD, booster, NAMES, rows, unseen, made_up(seed=2)[0])
    return folder


def test_the_same_training_writes_the_same_bytes(folder, tmp_path):
    rows, fraud = made_up()
    booster = model.fit(model.filled(rows, NAMES), fraud, NAMES, QUICK)
    bundle.write(tmp_path, CARD, booster, NAMES, rows, model.scores(booster, model.filled(made_up(seed=3)[0], NAMES)), made_up(seed=2)[0])
    for name in ("model.onnx", "manifest.toml", "golden.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_scores_are_probabilities_that_can_be_believed():
    rows, fraud = made_up(40_000)
    booster = model.fit(model.filled(rows, NAMES), fraud, NAMES, model.Settings(trees=150, leaves=7, learning_rate=0.1))
    rows, fraud = made_up(40_000, seed=5)
    score = model.scores(booster, model.filled(rows, NAMES))
    for low, high in ((0, 0.02), (0.02, 0.2), (0.2, 0.6), (0.6, 1.1)):
        band = (score >= low) & (score < high)
        assert band.sum() > 100
        assert fraud[band].mean() == pytest.approx(score[band].mean(), rel=0.25, abs=0.004), (low, high)


def test_thresholds_lie_on_32_bits_and_no_value_changes_sides():
    # Between the two values next to each other a threshold of 64 bits lies on neither; rounded to 32 it would be one of them.
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    rows = np.repeat(np.array([[low], [high]], dtype=np.float32), 500, axis=0)
    fraud = np.arange(1_000) >= 500
    plain = lightgbm.train({"objective": "binary", "min_data_in_bin": 1, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, fraud), 5)
    exact = model.exact_in_32_bits(plain)
    for each in exact.dump_model()["tree_info"]:
        threshold = each["tree_structure"]["threshold"]
        assert np.float32(threshold) == threshold and low <= threshold < high
    assert np.array_equal(plain.predict(rows), exact.predict(rows))
    assert bundle.check(bundle.exported(exact, ("amount",)), exact, rows) < 1e-6


def test_every_32_bit_value_at_a_threshold_is_scored_as_trained(trained):
    booster, rows = trained
    filled = model.filled(rows[:2_000], NAMES)
    on = {at: [] for at in range(len(NAMES))}

    def visit(node):
        if "threshold" in node:
            on[node["split_feature"]].append(node["threshold"])
            visit(node["left_child"])
            visit(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        visit(tree["tree_structure"])
    rng = np.random.default_rng(7)
    for at, values in on.items():
        if values:
            exactly = rng.choice(np.array(values, dtype=np.float32), len(filled))
            filled[:, at] = np.where(rng.random(len(filled)) < 0.5, exactly, np.nextafter(exactly, np.float32(np.inf)))
    assert bundle.check(bundle.exported(booster, NAMES), booster, filled) < 1e-6


def test_a_file_that_disagrees_is_not_written(trained):
    booster, rows = trained
    other = model.fit(model.filled(made_up(seed=9)[0], NAMES), made_up(seed=9)[1], NAMES, QUICK)
    with pytest.raises(bundle.Disagreement, match="off LightGBM"):
        bundle.check(bundle.exported(other, NAMES), booster, model.filled(rows, NAMES))


def test_the_manifest_says_what_the_model_is(folder):
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    assert manifest["sha256"] == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert (manifest["id"], manifest["train_from"], manifest["train_to"]) == ("test-1", "2016-07-18", "2016-07-25")
    assert manifest["created_from"] == {"data": ["made up"], "seeds": [1, 2]}
    assert tuple(each["name"] for each in manifest["features"]) == NAMES
    assert manifest["output"] == {"name": "probabilities", "column": 1} and manifest["calibration"] == {"kind": "none"}
    assert manifest["thresholds"] == {"review": 0.1, "block": 0.5}
    told = [name for reason in manifest["reasons"] for name in reason["features"]]
    assert sorted(told) == sorted(NAMES)
    assert set(manifest["histograms"]["features"]) == set(NAMES)
    for each in (manifest["histograms"]["score"], *manifest["histograms"]["features"].values()):
        assert len(each["shares"]) == len(each["edges"]) + 1 and sum(each["shares"]) == pytest.approx(1, abs=1e-9)
        assert each["edges"] == sorted(set(each["edges"]))


def test_histograms_by_hand():
    assert bundle.histogram([0.0] * 95 + [1.0] * 5) == {"edges": [0.0], "shares": [0.95, 0.05]}
    assert bundle.histogram([3.0] * 10) == {"edges": [], "shares": [1.0]}
    found = bundle.histogram(np.arange(1, 101))
    assert found == {"edges": [10, 20, 30, 40, 50, 60, 70, 80, 90], "shares": [0.1] * 10}


def test_golden_rows_prove_the_file_and_every_default(folder):
    onnx = (folder / "model.onnx").read_bytes()
    with open(folder / "golden.csv", newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == (*NAMES, "score") and len(lines) == bundle.GOLDEN_ROWS
    rows = np.array([[np.nan if text == "" else np.float32(text) for text in line[:-1]] for line in lines], dtype=np.float32)
    assert np.isnan(rows).any(axis=0).all()
    # A row at a time, as Millrace does it.
    filled = model.filled(rows, NAMES)
    got = np.array([onnx_scores(onnx, filled[at : at + 1], bundle.OUTPUT, bundle.COLUMN)[0] for at in range(len(filled))])
    expected = np.array([float(line[-1]) for line in lines])
    assert np.abs(got - expected).max() <= 1e-6
    assert expected.max() > 0.5 and expected.min() < 0.01


def test_the_file_holds_how_many_rows_came_by_each_node(folder, trained):
    import onnx

    (trees,) = [node for node in onnx.load(folder / "model.onnx").graph.node if node.op_type.startswith("TreeEnsemble")]
    attribute = {each.name: each for each in trees.attribute}
    counts = np.array(attribute["nodes_hitrates"].floats)
    nodes = {key: at for at, key in enumerate(zip(attribute["nodes_treeids"].ints, attribute["nodes_nodeids"].ints, strict=True))}
    for (tree, _), at in nodes.items():
        if attribute["nodes_modes"].strings[at] != b"LEAF":
            children = [nodes[tree, attribute[f"nodes_{side}nodeids"].ints[at]] for side in ("true", "false")]
            assert counts[at] == counts[children].sum() > 0


def test_thresholds_are_chosen_by_alerts_a_day():
    rng = np.random.default_rng(0)
    score = rng.random(7_000)
    nobody = np.zeros(7_000, dtype=bool)
    rows = Scored(np.repeat(np.arange(7), 1_000), np.arange(7_000), nobody, score[:, None], score)
    review, block = thresholds([rows, rows], 7, review_per_day=50, block_per_day=10)
    assert np.sum(score >= review) == 350 and np.sum(score >= block) == 70
    assert thresholds([rows], 7, 1e9, 0) == (1e-6, 1.0)
    review, block = thresholds([rows], 7)
    assert np.sum(score >= review) == 56 and np.sum(score >= block) == 28
