"""Reading what Millrace recorded, from a real ClickHouse with the tables of `projections/clickhouse/set`.

    millrace sandbox --only clickhouse -- python -m pytest training/tests/test_recorded.py
"""

import os
import pathlib
import re
import uuid

import clickhouse_connect
import numpy as np
import pytest

from training import features, parity, recorded, simulate

URL = os.environ.get("MILLRACE_TEST_CLICKHOUSE")
pytestmark = pytest.mark.skipif(not URL, reason="MILLRACE_TEST_CLICKHOUSE is not set: run it under `millrace sandbox --only clickhouse --`")

SET = pathlib.Path(__file__).parents[2] / "projections/clickhouse/set"
NAMES = ("amount", "hours_since_previous", "merchant_risk_7d")
DAY = 17_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def database():
    """A database with the tables as Millrace makes them, and nothing in them but what tests insert."""
    client = clickhouse_connect.get_client(dsn=URL)
    name = f"training_{uuid.uuid4().hex}"
    client.command(f"CREATE DATABASE {name}")
    values = {"database": name, "set": "v1", "merge_tree": "MergeTree", "deduplication": "non_replicated_deduplication_window = 100"}
    for file, tables in (("transactions.sql", ("transaction_scores",)), ("labels.sql", ("labels",))):
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: values.get(found[1], found[0]), (SET / file).read_text())
        for statement in re.findall(r"CREATE TABLE.*?;$", text, re.DOTALL | re.MULTILINE):
            table = re.search(r"\.(\w+)_v1", statement)[1]
            if table in tables:
                client.command(statement.removesuffix(";"))
                client.command(f"CREATE VIEW {name}.{table} AS SELECT * FROM {name}.{table}_v1")
    yield name
    client.command(f"DROP DATABASE {name}")


def insert(database, table, rows):
    client = clickhouse_connect.get_client(dsn=URL, database=database)
    names = list(rows[0])
    client.insert(f"{table}_v1", [[row[name] for name in names] for row in rows], column_names=names)


def score(customer, number, day, features):
    at = day * DAY_MS + number
    return {
        "trn_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{customer}/{number}"), "customer_id": customer, "transaction_id": f"t{number}",
        "occurred_at": np.datetime64(at, "ms").item(), "features": features, "_partition": number % 3, "_offset": number,
    }  # fmt: skip


def label(customer, number, kind, decided, came=0, offset=0):
    return {
        "trn_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{customer}/{number}"), "customer_id": customer, "transaction_id": f"t{number}",
        "label": kind, "decided_at": np.datetime64(decided, "ms").item(), "_timestamp": np.datetime64(came, "ms").item(), "_offset": offset,
    }  # fmt: skip


@pytest.fixture(scope="module")
def filled(database):
    known = {"amount": 10.5, "hours_since_previous": 0.0}
    insert(database, "transaction_scores", [
        score("b", 1, DAY - 1, known),
        score("b", 2, DAY, known | {"merchant_risk_7d": 0.25}),
        score("a", 3, DAY, {"amount": 1.0}),
        score("a", 4, DAY + 1, known),
        score("c'; DROP TABLE x", 5, DAY + 1, known),
        score("a", 6, DAY + 2, known),
    ])  # fmt: skip
    insert(database, "labels", [
        # Decided fraud, then legitimate, then a chargeback: the last by decision counts, whenever it came.
        label("b", 2, "chargeback", 3_000, came=10, offset=1),
        label("b", 2, "fraud", 1_000, came=20, offset=2),
        label("b", 2, "legitimate", 2_000, came=30, offset=3),
        # Of one instant: the last in the log.
        label("a", 3, "fraud", 5_000, came=10, offset=4),
        label("a", 3, "legitimate", 5_000, came=11, offset=5),
        # It comes later than is asked for below.
        label("a", 4, "fraud", 1_000, came=1_000_000, offset=6),
        label("another's", 7, "fraud", 1_000),
    ])  # fmt: skip
    return database


def fetch(database, **options):
    return recorded.fetch(URL, database, "default", "", NAMES, DAY, DAY + 2, **options)


def test_rows_are_those_of_the_days_asked_for_with_what_is_absent_as_nan(filled):
    found = fetch(filled)
    assert found.day.tolist() == [DAY, DAY, DAY + 1, DAY + 1]
    nan = np.nan
    np.testing.assert_array_equal(found.rows, [[10.5, 0, 0.25], [1, nan, nan], [10.5, 0, nan], [10.5, 0, nan]])
    assert found.rows.dtype == np.float32
    # Customers in the order of their ids: a, b, c.
    assert found.customer.tolist() == [1, 0, 0, 2]


def test_the_last_label_counts_and_what_is_fraud_or_charged_back_is_fraud(filled):
    assert fetch(filled).fraud.tolist() == [True, False, True, False]


def test_a_label_that_came_later_is_not_known(filled):
    assert fetch(filled, known_at=1_000).fraud.tolist() == [True, False, False, False]
    # The first of a's two labels came, and the second, of the same instant, did not yet.
    assert fetch(filled, known_at=10).fraud.tolist() == [True, True, False, False]
    assert fetch(filled, known_at=9).fraud.tolist() == [False] * 4


def test_what_has_no_label_can_be_left_out(filled):
    found = fetch(filled, unlabelled="left-out")
    assert found.day.tolist() == [DAY, DAY, DAY + 1] and found.fraud.tolist() == [True, False, True]


def test_days_without_scores_are_told(filled):
    with pytest.raises(SystemExit, match="there are no scores"):
        recorded.fetch(URL, filled, "default", "", NAMES, 1, 2)


def test_parity_tells_what_differs_and_what_is_missing(database):
    stream = simulate.simulate(simulate.Settings(seed=2, customers=30, terminals=300, radius=10, days=10))
    expected, names = features.features(stream), ("amount", "customer_mean", "km_from_previous")
    customers = np.asarray(stream.customer.names, dtype=object)[stream.customer.codes]
    rows = []
    for at in range(1, len(stream)):
        known = {name: float(expected[name][at]) for name in names if not np.isnan(expected[name][at])}
        rows.append(score(customers[at], at, DAY, known) | {"transaction_id": stream.transaction_id[at]})
    rows[-1]["features"]["customer_mean"] += 0.01
    del rows[-1]["features"]["km_from_previous"]
    insert(database, "transaction_scores", rows)
    client = clickhouse_connect.get_client(dsn=URL, database=database)
    compared, missing, different = parity.differences(client, stream, "UTC", names, batch=7)
    assert (compared, missing) == (3 * (len(stream) - 1), 1)
    assert {name: count for name, (count, _) in different.items()} == {"customer_mean": 1, "km_from_previous": 1}
    customer, transaction, recorded_mean, expected_mean = different["customer_mean"][1]
    assert (customer, transaction) == (customers[-1], stream.transaction_id[-1])
    assert recorded_mean == pytest.approx(expected_mean + 0.01)
