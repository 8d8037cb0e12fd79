"""The feature values that Millrace recorded with its scores, read from ClickHouse: what a model is trained on is what it will see."""

import datetime

import clickhouse_connect
import numpy as np

from training.data import Dataset
from training.stream import DAY_MS

# One row for each transaction. Of its labels the last by time of decision, then by position in the log, counts; one that came after
# `known_at` is not known. Whether a feature is absent is told, since a map gives 0 for what is not in it.
ROWS = """
SELECT
    toUnixTimestamp64Milli(scores.occurred_at) AS at,
    scores.customer_id AS customer_id,
    labels.label AS label,
    arrayMap(name -> if(mapContains(scores.features, name), scores.features[name], nan), {names:Array(String)}) AS row
FROM transaction_scores AS scores
LEFT JOIN
(
    SELECT trn_id, argMax(toString(label), (decided_at, _partition, _offset)) AS label
    FROM labels
    WHERE _timestamp <= fromUnixTimestamp64Milli({known_at:Int64}, 'UTC')
    GROUP BY trn_id
) AS labels ON labels.trn_id = scores.trn_id
WHERE scores.occurred_at >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC') AND scores.occurred_at < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
ORDER BY scores.occurred_at, scores.customer_id, scores.transaction_id, scores._offset
"""
FRAUD = ("fraud", "chargeback")


def fetch(url, database, user, password, names, first_day, end_day, known_at=None, unlabelled="legitimate"):
    """Recorded features of the days from `first_day` to before `end_day`, in days since 1970. What has no label is taken for legitimate,
    or left out (`unlabelled="left-out"`)."""
    begin, end = first_day * DAY_MS, end_day * DAY_MS
    if known_at is None:
        known_at = int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)
    client = clickhouse_connect.get_client(dsn=url, database=database, username=user, password=password)
    ats, customers, labels, rows = [], [], [], []
    parameters = {"names": list(names), "known_at": known_at, "begin": begin, "end": end}
    with client.query_column_block_stream(ROWS, parameters=parameters) as blocks:
        for at, customer, label, values in blocks:
            ats.append(np.asarray(at, dtype=np.int64))
            customers += customer
            labels += label
            rows.append(np.asarray(values, dtype=np.float32).reshape(len(at), len(names)))
    if not ats:
        raise SystemExit(f"there are no scores in {database} at {url} for these days: send transactions, or name other days")
    at, rows = np.concatenate(ats), np.concatenate(rows)
    label = np.array(labels, dtype=object)
    _, customer = np.unique(np.array(customers, dtype=object).astype(str), return_inverse=True)
    kept = label != "" if unlabelled == "left-out" else np.full(len(at), True)
    name = f"recorded features in {database}"
    return Dataset(name, at[kept] // DAY_MS, customer[kept], np.isin(label, FRAUD)[kept], tuple(names), rows[kept])
