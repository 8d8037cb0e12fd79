"""A bundle's model, run as Millrace runs it. Needs no more than numpy and ONNX Runtime."""

import pathlib

import numpy as np
import onnxruntime

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib


class Shipped:
    """A model with its manifest; `names` are the features that it takes."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.manifest = tomllib.loads((folder / "manifest.toml").read_text())
        self.onnx = (folder / "model.onnx").read_bytes()
        self.names = tuple(each["name"] for each in self.manifest["features"])
        self.defaults = np.array([each["default"] for each in self.manifest["features"]], dtype=np.float32)

    def scores(self, rows):
        """Scores of rows of its features, NaN where one is absent."""
        return onnx_scores(self.onnx, np.where(np.isnan(rows), self.defaults, rows).astype(np.float32), **self.manifest["output"])


def onnx_scores(onnx, rows, name, column, batch=20_000):
    """What ONNX Runtime, with one thread, makes of filled rows: a column of a named output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It warns of the shape of the label, which nobody reads.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    parts = [session.run([name], {taken.name: rows[begin : begin + batch]})[0][:, column] for begin in range(0, len(rows), batch)]
    return np.concatenate(parts).astype(np.float64)
