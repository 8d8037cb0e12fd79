"""The model: gradient-boosted trees over Millrace's features, the same at every run."""

import dataclasses

import lightgbm
import numpy as np

# What stands for a feature that is absent: nothing unusual, as far as there is such a value, and -1 where the upstream said nothing. ONNX
# has no one way to say "absent" that all exporters and engines agree on, so a model never sees it.
DEFAULTS = {
    "amount": 0.0,
    "amount_deviations": 0.0,
    "amount_to_mean": 1.0,
    "card_risk_score": -1.0,
    "customer_count": 0.0,
    "customer_currency_count": 0.0,
    "customer_deviation": 0.0,
    "customer_mean": 0.0,
    "customer_risk_score": -1.0,
    "customer_transaction_count_3h": 1.0,
    "customer_transaction_count_6h": 1.0,
    "customer_transaction_count_12h": 1.0,
    "customer_transaction_count_24h": 1.0,
    "device_is_new": 0.0,
    "distinct_devices_24h": 1.0,
    "distinct_locations_24h": 1.0,
    "distinct_merchants_24h": 1.0,
    "hour_utc": 12.0,
    # A month, which is longer than nearly everyone pauses.
    "hours_since_previous": 720.0,
    "is_device_alert": -1.0,
    "is_high_value": -1.0,
    "is_location_alert": -1.0,
    "is_night": 0.0,
    "is_velocity_alert": -1.0,
    "is_weekend": 0.0,
    "km_from_previous": 0.0,
    "location_is_new": 0.0,
    "mean_24h_to_mean": 1.0,
    "merchant_count_1d": 0.0,
    "merchant_count_7d": 0.0,
    "merchant_count_30d": 0.0,
    "merchant_risk_1d": 0.0,
    "merchant_risk_7d": 0.0,
    "merchant_risk_30d": 0.0,
    "merchant_risk_score": -1.0,
    "speed_kmh": 0.0,
}

# Features that are told as one reason, and how.
REASONS = (
    ("unusual_amount", "The amount is unusual for this customer", ("amount_deviations", "amount_to_mean", "customer_deviation", "customer_mean")),
    ("amount", "The amount itself", ("amount",)),
    ("recent_spending", "What the customer spent within a day is unusual", ("mean_24h_to_mean",)),
    (
        "velocity",
        "How often the customer paid within a day",
        (*(f"customer_transaction_count_{hours}h" for hours in (3, 6, 12, 24)), "distinct_merchants_24h", "hours_since_previous"),
    ),
    ("merchant_fraud", "Fraud at this merchant in earlier weeks", tuple(f"merchant_risk_{days}d" for days in (1, 7, 30))),
    ("merchant_volume", "How many payments this merchant had in earlier weeks", tuple(f"merchant_count_{days}d" for days in (1, 7, 30))),
    ("device", "The devices the customer paid with", ("device_is_new", "distinct_devices_24h")),
    ("place", "Where the customer paid", ("distinct_locations_24h", "km_from_previous", "location_is_new", "speed_kmh")),
    ("customer_age", "How long the customer is known", ("customer_count", "customer_currency_count")),
    ("time", "The time of the day and week", ("hour_utc", "is_night", "is_weekend")),
    (
        "upstream",
        "What the upstream says of the transaction",
        ("card_risk_score", "customer_risk_score", "is_device_alert", "is_high_value", "is_location_alert", "is_velocity_alert")
        + ("merchant_risk_score",),
    ),
)

# What a model takes unless told otherwise: what the simulation can teach. Its customers never change a device and pay at any hour, so a
# model would learn nothing of that, or what misleads elsewhere; and how much a merchant sells was tried, and told nothing of fraud.
TAUGHT = ("unusual_amount", "amount", "recent_spending", "velocity", "merchant_fraud")
FEATURES = tuple(name for code, _, names in REASONS if code in TAUGHT for name in names)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is trained."""

    trees: int = 300
    leaves: int = 15
    learning_rate: float = 0.03
    l2: float = 5.0
    # The share of rows and of features that each tree sees: less noise where fraud cannot be told from the rest.
    rows: float = 0.5
    features: float = 0.5
    seed: int = 1


def filled(rows, names):
    """Rows as the model takes them: defaults for what is absent, 32 bits."""
    defaults = np.array([DEFAULTS[name] for name in names], dtype=np.float32)
    return np.where(np.isnan(rows), defaults, rows).astype(np.float32)


def fit(rows, fraud, names, settings):
    """Trains on filled rows. Frauds weigh no more than others, so that a score of 0.2 means one in five."""
    parameters = {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "lambda_l2": settings.l2,
        "bagging_fraction": settings.rows,
        "bagging_freq": 1,
        "feature_fraction": settings.features,
        "seed": settings.seed,
        # The order of sums would otherwise depend on the machine's load.
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lightgbm.Dataset(rows, fraud.astype(np.float32), feature_name=list(names), params={"verbose": -1})
    return exact_in_32_bits(lightgbm.train(parameters, data, settings.trees))


def exact_in_32_bits(booster):
    """The same model with thresholds that 32 bits hold. LightGBM compares with 64 bits, ONNX with 32: where a threshold is rounded up to
    a value that occurs, that value would go the other way. Rounded down, no 32-bit value changes sides."""
    lines = booster.model_to_string().split("\n")
    for number, line in enumerate(lines):
        if line.startswith("threshold="):
            values = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            rounded = values.astype(np.float32)
            rounded = np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
            lines[number] = "threshold=" + " ".join(repr(float(value)) for value in rounded)
    # It tells where each tree stands in the text, which has changed.
    lines = [line for line in lines if not line.startswith("tree_sizes=")]
    return lightgbm.Booster(model_str="\n".join(lines))


def scores(booster, rows):
    """Probabilities of fraud of filled rows."""
    return booster.predict(rows, num_threads=1) if len(rows) else np.zeros(0)
