"""A bundle: the folder that Millrace takes a model from, with `model.onnx`, `manifest.toml` and `golden.csv`.

The same model, rows and settings write the same bytes.
"""

import csv
import dataclasses
import hashlib
import pathlib

import numpy as np
import tomli_w
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from training import model
from training.data import date_of
from training.shipped import onnx_scores

INPUT, OUTPUT, COLUMN = "features", "probabilities", 1
# Of the ONNX standard, old enough for every engine in use.
OPSET = 15
BINS = 10
GOLDEN_ROWS = 200
# How far ONNX Runtime may be from LightGBM.
TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Card:
    """What a bundle says about its model."""

    id: str
    data: list
    seeds: list
    # Days since 1970; `train_to` is the first that is not trained on.
    train_from: int
    train_to: int
    review: float
    block: float


class Disagreement(Exception):
    """ONNX Runtime makes something else of the model than LightGBM."""


def exported(booster, names):
    """The model as ONNX, in bytes."""
    inputs = [(INPUT, FloatTensorType([None, len(names)]))]
    # A name of our own: the converter's is made anew at each run.
    onnx = convert_lightgbm(booster, name="millrace", initial_types=inputs, zipmap=False, target_opset=OPSET)
    # The converter collects these in a set, whose order is another in each process.
    versions = sorted(onnx.opset_import, key=lambda version: version.domain)
    del onnx.opset_import[:]
    onnx.opset_import.extend(versions)
    return with_hit_rates(onnx, booster).SerializeToString(deterministic=True)


def with_hit_rates(onnx, booster):
    """How many rows of the training came by each node, where ONNX has a place for it: exporters write 1. The reasons that Millrace gives
    for a score are computed from the mean score of the rows at each node."""
    (trees,) = [node for node in onnx.graph.node if node.op_type.startswith("TreeEnsemble")]
    attribute = {each.name: each for each in trees.attribute}
    place = {key: at for at, key in enumerate(zip(attribute["nodes_treeids"].ints, attribute["nodes_nodeids"].ints, strict=True))}
    counts = [0.0] * len(place)

    def visit(tree, node, ours):
        at = place[tree, node]
        is_leaf = attribute["nodes_modes"].strings[at] == b"LEAF"
        if is_leaf != ("leaf_value" in ours) or not is_leaf and attribute["nodes_featureids"].ints[at] != ours["split_feature"]:
            raise Disagreement(f"tree {tree} of the ONNX file is not the one that was trained, at node {node}")
        # A tree that is one leaf has no count.
        counts[at] = float(ours.get("leaf_count", 1) if is_leaf else ours["internal_count"])
        if not is_leaf:
            visit(tree, attribute["nodes_truenodeids"].ints[at], ours["left_child"])
            visit(tree, attribute["nodes_falsenodeids"].ints[at], ours["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        visit(tree["tree_index"], 0, tree["tree_structure"])
    del attribute["nodes_hitrates"].floats[:]
    attribute["nodes_hitrates"].floats.extend(counts)
    return onnx


def check(onnx, booster, rows):
    """The largest difference between ONNX Runtime and LightGBM over filled rows; raises when it is too large."""
    differences = np.abs(onnx_scores(onnx, rows, OUTPUT, COLUMN) - model.scores(booster, rows))
    if differences.max() > TOLERANCE:
        raise Disagreement(
            f"ONNX Runtime is {differences.max():.3g} off LightGBM in row {differences.argmax()}, and {np.sum(differences > TOLERANCE)} "
            f"of {len(rows)} rows are off by more than {TOLERANCE:g}"
        )
    return float(differences.max())


def histogram(values):
    """Bins of equal shares, fewer where values repeat. An edge belongs to the bin below it; the outer ones are endless."""
    values = np.asarray(values, dtype=np.float64)
    # Edges are values that occur, so that whoever counts again with 32 or 64 bits counts the same.
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    edges = edges[edges < values.max()]
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "shares": (counts / len(values)).tolist()}


def manifest(card, onnx, names, train, unseen):
    """The manifest. `train` are the rows of the training, `unseen` scores of transactions after it."""
    known = {code: [name for name in of if name in names] for code, _, of in model.REASONS}
    return {
        "id": card.id,
        "sha256": hashlib.sha256(onnx).hexdigest(),
        "train_from": date_of(card.train_from).isoformat(),
        "train_to": date_of(card.train_to).isoformat(),
        "created_from": {"data": card.data, "seeds": card.seeds},
        "output": {"name": OUTPUT, "column": COLUMN},
        "calibration": {"kind": "none"},
        "thresholds": {"review": card.review, "block": card.block},
        "features": [{"name": name, "default": model.DEFAULTS[name]} for name in names],
        "reasons": [{"code": code, "text": text, "features": known[code]} for code, text, _ in model.REASONS if known[code]],
        "histograms": {
            "score": histogram(unseen),
            "features": {name: histogram(train[:, column]) for column, name in enumerate(names)},
        },
    }


def golden_rows(rows, booster, names):
    """Rows that prove a model: half of them over all scores, half over the highest hundredth, and of the last ones each lacks a feature,
    so that every default is proven too. Absent is NaN."""
    order = np.argsort(model.scores(booster, model.filled(rows, names)), kind="stable")
    half = GOLDEN_ROWS // 2
    low = order[np.linspace(0, len(order) - 1, half).astype(int)]
    high = order[np.linspace(int(len(order) * 0.99), len(order) - 1, GOLDEN_ROWS - half).astype(int)]
    chosen = rows[np.concatenate([low, high])].copy()
    for column in range(len(names)):
        chosen[-1 - column, column] = np.nan
    return chosen


def write(folder, card, booster, names, train, unseen, proof):
    """Writes a bundle. `train` and `proof` are rows with NaN for what is absent, `unseen` scores of transactions after the training.
    Returns the largest difference between ONNX Runtime and LightGBM over the proof."""
    folder = pathlib.Path(folder)
    onnx = exported(booster, names)
    golden = golden_rows(proof, booster, names)
    filled = model.filled(golden, names)
    difference = max(check(onnx, booster, model.filled(proof, names)), check(onnx, booster, filled))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx)
    with open(folder / "manifest.toml", "wb") as file:
        tomli_w.dump(manifest(card, onnx, names, model.filled(train, names), unseen), file)
    with open(folder / "golden.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "score"])
        for row, score in zip(golden, model.scores(booster, filled), strict=True):
            # The shortest text that is read back as the same 32 bits.
            writer.writerow([*("" if np.isnan(value) else str(value) for value in row), repr(float(score))])
    return difference
