"""The command as a whole, from a small simulation to a bundle and its figures."""

import csv
import hashlib
import os
import pathlib
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from training import data, evaluate, model, protocol, simulate
from training.shipped import Shipped

SMALL = ["--customers", "300", "--terminals", "1000", "--radius", "8", "--first-day", "2020-01-01", "--train-from", "2020-02-10"]
QUICK = ["--train-days", "14", "--model-trees", "30", "--review-per-day", "10", "--block-per-day", "3"]


def train(*arguments, hashes="0"):
    # Sets are in another order for each seed of hashes.
    environment = os.environ | {"PYTHONHASHSEED": hashes}
    run = subprocess.run([sys.executable, "-m", "training.train", *arguments], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train("--from-simulation", "1,2", *SMALL, *QUICK, "--out", str(folder))


def test_one_command_trains_grades_and_writes(bundle):
    folder, printed = bundle
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    assert (manifest["train_from"], manifest["train_to"]) == ("2020-02-10", "2020-02-24")
    assert manifest["created_from"]["seeds"] == [1, 2]
    assert "300 customers at 1000 terminals for 68 days from 2020-01-01" in manifest["created_from"]["data"][0]
    assert 0 < manifest["thresholds"]["review"] <= manifest["thresholds"]["block"] <= 1
    for text in ("seed 1", "seed 2", "mean", "AUC", "AP", "CP@100", "review", "block", "merchant_risk_30d"):
        assert text in printed, text


def test_the_bundle_finds_fraud_in_a_simulation_that_it_has_not_seen(bundle):
    shipped, periods = Shipped(bundle[0]), protocol.Periods(data.number_of(simulate.Settings.first_day) + 60)
    settings = simulate.Settings(seed=9, customers=300, terminals=1_000, radius=8, days=81)
    dataset = data.of_simulation(settings, model.FEATURES, periods.first_day)
    test = evaluate.scored(shipped, dataset, periods.in_test(dataset.day, dataset.customer, dataset.fraud))
    graded = protocol.grade(test.day, test.customer, test.fraud, test.score)
    assert graded.frauds > 20 and graded.auc > 0.75 and graded.average_precision > 0.4


def test_lines_that_are_sent_train_the_same_model_as_the_simulation(bundle, tmp_path):
    simulated = [*SMALL[:8], "--days", "68", "--seed", "1"]
    files = [str(tmp_path / name) for name in ("transactions", "labels")]
    run = [sys.executable, "-m", "training.simulate", *simulated, "--transactions", files[0], "--labels", files[1]]
    subprocess.run(run, check=True, capture_output=True)
    train("--from-ndjson", *files, *SMALL[8:], *QUICK, "--out", str(tmp_path / "lines"), hashes="1")
    train("--from-simulation", "1", *SMALL, *QUICK, "--out", str(tmp_path / "simulation"), hashes="2")
    for name in ("model.onnx", "golden.csv"):
        assert (tmp_path / "lines" / name).read_bytes() == (tmp_path / "simulation" / name).read_bytes()


def test_the_bundle_that_ships_is_whole():
    folder = pathlib.Path(__file__).parents[1] / "bundles/default"
    shipped = Shipped(folder)
    assert hashlib.sha256(shipped.onnx).hexdigest() == shipped.manifest["sha256"]
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 500_000
    with open(folder / "golden.csv", newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == (*shipped.names, "score")
    known = [[default if text == "" else text for text, default in zip(line[:-1], shipped.defaults, strict=True)] for line in lines]
    rows = np.array(known, dtype=np.float32)
    assert np.abs(shipped.scores(rows) - [float(line[-1]) for line in lines]).max() <= 1e-6
