"""Features against a brute-force reading of their definitions, and against cases worked out by hand."""

import math
import pathlib
import re
import statistics

import numpy as np
import pytest

from training import features, merchants
from training.stream import DAY_MS, HOUR_MS, Coded, Stream

NOON = 1_600_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS


def stream(rows):
    """A stream of dictionaries; what they leave out is the same for all."""
    usual = {"customer": "c", "merchant": "m", "device": "d", "location": "l", "currency": "EUR", "at": NOON, "amount": 10_000}
    usual |= {"latitude": np.nan, "longitude": np.nan, "fraud": False, "delay": 7 * DAY_MS}
    rows = [usual | row for row in rows]

    def column(name):
        return np.array([row[name] for row in rows])

    texts = {name: Coded.of([row[name] for row in rows]) for name in ("customer", "merchant", "device", "location", "currency")}
    same = Coded(np.zeros(len(rows), dtype=int), ["-"])
    at = column("at")
    return Stream(
        at=at, amount=column("amount"), transaction_id=[str(each) for each in range(len(rows))], **texts,
        card_bin=same, ip_address=same, channel=same, transaction_type=same,
        latitude=column("latitude").astype(float), longitude=column("longitude").astype(float),
        fraud=column("fraud"), label_at=at + column("delay"), scenario=np.zeros(len(rows)),
        upstream={name: column(name).astype(float) for name in ("card_risk_score", "is_high_value") if name in rows[0]},
    )  # fmt: skip


def random_stream(seed, count=400):
    rng = np.random.default_rng(seed)
    at = NOON + np.cumsum(rng.choice([0, 1_000, HOUR_MS, 5 * HOUR_MS, 30 * HOUR_MS], count, p=[0.2, 0.2, 0.3, 0.25, 0.05]))
    rows = []
    for each in at:
        is_placed = rng.random() < 0.7
        rows.append({
            "at": int(each), "customer": f"c{rng.integers(5)}", "merchant": f"m{rng.integers(6)}", "device": f"d{rng.integers(40)}",
            "location": f"l{rng.integers(50)}", "currency": rng.choice(["EUR", "USD"]), "amount": int(rng.integers(0, 3_000_000)),
            "latitude": rng.uniform(-80, 80) if is_placed else np.nan, "longitude": rng.uniform(-180, 180) if is_placed else np.nan,
            "fraud": rng.random() < 0.3, "delay": int(rng.choice([1, 7, 7, 12]) * DAY_MS + rng.integers(0, DAY_MS)),
        })  # fmt: skip
    return stream(rows)


def half_even(total, count):
    quotient, rest = divmod(total, count)
    return quotient + (2 * rest > count or (2 * rest == count and quotient % 2 == 1))


def by_definition(of):
    """All features, word by word: each transaction looks at all before it."""
    text = {name: [coded.names[code] for code in coded.codes] for name in ("customer", "merchant", "device", "location", "currency")
            for coded in [getattr(of, name)]}  # fmt: skip
    found = {name: np.full(len(of), np.nan) for name in features.NAMES}
    for i in range(len(of)):
        own = [j for j in range(i) if text["customer"][j] == text["customer"][i]]
        same = [j for j in own if text["currency"][j] == text["currency"][i]]
        at, amount = int(of.at[i]), int(of.amount[i])
        result = {"amount": amount / 1e4, "hour_utc": at // HOUR_MS % 24, "customer_count": len(own), "customer_currency_count": len(same)}
        result |= {"is_night": at // HOUR_MS % 24 <= 6, "is_weekend": (at // DAY_MS + 3) % 7 >= 5}
        for hours in (3, 6, 12, 24):
            result[f"customer_transaction_count_{hours}h"] = 1 + sum(of.at[j] > at - hours * HOUR_MS for j in own)
        if own:
            result["hours_since_previous"] = (at - max(of.at[j] for j in own)) / HOUR_MS
        result["device_is_new"] = bool(own) and text["device"][i] not in remembered(text["device"], own)
        result["location_is_new"] = bool(own) and text["location"][i] not in remembered(text["location"], own)
        for kind, name in (("merchants", "merchant"), ("devices", "device"), ("locations", "location")):
            result[f"distinct_{kind}_24h"] = len({text[name][j] for j in own + [i] if of.at[j] > at - DAY_MS})
        if same:
            mean = sum(int(of.amount[j]) for j in same) / len(same) / 1e4
            result["customer_mean"] = mean
            recent = [int(of.amount[j]) for j in same + [i] if of.at[j] > at - DAY_MS]
            if mean > 0:
                result["amount_to_mean"] = amount / 1e4 / mean
                result["mean_24h_to_mean"] = half_even(sum(recent), len(recent)) / 1e4 / mean
            if len(same) > 1:
                deviation = statistics.stdev(int(of.amount[j]) for j in same) / 1e4
                result["customer_deviation"] = deviation
                if deviation > 0:
                    result["amount_deviations"] = (amount / 1e4 - mean) / deviation
        placed = [j for j in own if not math.isnan(of.latitude[j])]
        if placed and not math.isnan(of.latitude[i]):
            j = max(placed, key=lambda j: (of.at[j], j))
            result["km_from_previous"] = km = distance(of.latitude[j], of.longitude[j], of.latitude[i], of.longitude[i])
            result["speed_kmh"] = km / (max(at - of.at[j], 60_000) / HOUR_MS)
        version = at // DAY_MS - 1
        if version >= of.at[0] // DAY_MS:
            for window in (1, 7, 30):
                same_place = [j for j in range(len(of)) if text["merchant"][j] == text["merchant"][i]]
                there = [j for j in same_place if version - 7 - window < of.at[j] // DAY_MS <= version - 7]
                frauds = sum(of.fraud[j] and of.label_at[j] < (version + 1) * DAY_MS for j in there)
                result[f"merchant_count_{window}d"] = len(there)
                result[f"merchant_risk_{window}d"] = frauds / len(there) if there else 0
        for name, value in result.items():
            found[name][i] = value
    return found


def remembered(texts, own):
    """The devices or locations that are remembered: 32, of which the one first seen longest ago is forgotten first."""
    known = []
    for j in own:
        if texts[j] not in known:
            known = [*known, texts[j]][-32:]
    return known


def distance(latitude, longitude, other_latitude, other_longitude):
    """By the angle between two directions from the centre of the earth."""
    ends = []
    for north, east in ((latitude, longitude), (other_latitude, other_longitude)):
        north, east = math.radians(north), math.radians(east)
        ends.append(np.array([math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]))
    return 6_371.0088 * math.atan2(np.linalg.norm(np.cross(*ends)), np.dot(*ends))


@pytest.mark.parametrize("seed", range(4))
def test_features_are_what_their_definitions_say(seed):
    of = random_stream(seed)
    got, expected = features.features(of), by_definition(of)
    assert set(got) == set(features.NAMES)
    for name in features.NAMES:
        # Places are rounded to a centimetre; all else is computed from integers.
        tolerance = {"atol": 2e-5, "rtol": 1e-4} if name in ("km_from_previous", "speed_kmh") else {"atol": 0, "rtol": 1e-12}
        np.testing.assert_allclose(got[name], expected[name], err_msg=name, **tolerance)


def test_names_are_those_of_the_product():
    source = pathlib.Path(__file__).parents[2] / "processors/src/scoring/features.rs"
    theirs = set(re.findall(r'^    \w+ = "(\w+)",$', source.read_text(), re.MULTILINE))
    assert len(theirs) >= 35
    # The day names a version for who recomputes a score; no model learns from it.
    assert theirs - {"merchant_risk_day"} == set(features.NAMES) | set(merchants.NAMES)


def test_a_stream_out_of_order_is_refused():
    with pytest.raises(ValueError, match="order of time"):
        features.features(stream([{"at": NOON}, {"at": NOON - 1}]))


def test_windows_leave_out_what_is_as_old_as_they_are_long():
    of = stream([{"at": NOON}, {"at": NOON + 3 * HOUR_MS}, {"at": NOON + 3 * HOUR_MS}, {"at": NOON + 6 * HOUR_MS - 1}])
    got = features.features(of)
    assert got["customer_transaction_count_3h"].tolist() == [1, 1, 2, 3]
    assert got["customer_transaction_count_6h"].tolist() == [1, 2, 3, 4]
    assert got["hours_since_previous"][1:].tolist() == [3, 0, 3 - 1 / HOUR_MS]


def test_merchants_by_hand():
    # Two payments at m on day 0, one of them fraud; its label comes seven days later, in time for version 7.
    day = [NOON // DAY_MS * DAY_MS + number * DAY_MS for number in range(40)]
    rows = [{"at": day[0], "fraud": True}, {"at": day[0]}, *({"at": day[number], "merchant": "n"} for number in range(1, 7))]
    rows += [{"at": day[7] + 1}, {"at": day[8]}, {"at": day[9]}, {"at": day[37]}, {"at": day[38]}]
    got = {name: values[[0, 8, 9, 10, 11, 12]] for name, values in merchants.features(stream(rows)).items()}
    # Day 0 sees no version. Day 8 sees version 7, which holds day 0 alone; day 9 sees version 8: day 0 is out of the shortest window.
    # The long one holds day 0 until version 36, which day 37 sees, with the payments of days 7, 8 and 9.
    np.testing.assert_array_equal(got["merchant_count_1d"], [np.nan, 0, 2, 0, 0, 0])
    np.testing.assert_array_equal(got["merchant_risk_1d"], [np.nan, 0, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(got["merchant_count_30d"], [np.nan, 0, 2, 2, 5, 3])
    np.testing.assert_array_equal(got["merchant_risk_30d"], [np.nan, 0, 0.5, 0.5, 0.2, 0])


def test_a_label_is_not_used_before_it_came():
    first = NOON // DAY_MS * DAY_MS
    # It comes the moment after version 10 is complete.
    rows = [{"at": first, "fraud": True, "delay": 11 * DAY_MS}, *({"at": first + number * DAY_MS} for number in (8, 11, 12))]
    got = merchants.features(stream(rows))
    assert got["merchant_count_7d"][1:].tolist() == [1, 1, 1]
    assert got["merchant_risk_7d"][1:].tolist() == [0, 0, 1]


def test_night_and_weekend_are_told_where_the_rules_are():
    # Friday 2020-09-11, 23:30 UTC, is Saturday half past one in Berlin.
    of = stream([{"at": 1_599_867_000_000}])
    assert [features.features(of)[name][0] for name in ("is_night", "is_weekend", "hour_utc")] == [0, 0, 23]
    assert [features.features(of, "Europe/Berlin")[name][0] for name in ("is_night", "is_weekend", "hour_utc")] == [1, 1, 23]


def test_what_the_upstream_says_is_taken_as_it_is():
    got = features.features(stream([{"card_risk_score": 0.25, "is_high_value": 1.0}, {"card_risk_score": np.nan, "is_high_value": 0.0}]))
    np.testing.assert_array_equal(got["card_risk_score"], [0.25, np.nan])
    np.testing.assert_array_equal(got["is_high_value"], [1, 0])


def test_only_the_latest_thousand_or_so_are_looked_at_for_what_differs():
    rows = [{"at": NOON + number, "merchant": f"m{number}"} for number in range(1_030)]
    got = features.features(stream(rows))
    assert got["distinct_merchants_24h"][[1_023, 1_024, 1_029]].tolist() == [1_024, 1_025, 1_025]
    assert got["customer_transaction_count_24h"][-1] == 1_030
