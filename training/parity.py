"""Compares the features that Millrace recorded with those of features.py, value by value, for transactions that were sent to it.

    python -m training.parity --clickhouse http://127.0.0.1:8123 --transactions transactions.ndjson --labels labels.ndjson

The file must be all that was sent of its customers, sent in the order of the file. Merchants' figures depend on when labels were
received, and are compared with --merchants only: where labels and transactions were sent as their times say.
"""

import argparse
import os
import sys

import clickhouse_connect
import numpy as np

from training import features, merchants
from training.stream import read

ROWS = """
SELECT customer_id, transaction_id, arrayMap(name -> if(mapContains(features, name), features[name], nan), {names:Array(String)})
FROM transaction_scores WHERE customer_id IN {customers:Array(String)}
"""
# Places are known to a centimetre, and sines are not the same everywhere.
ROUGH = ("km_from_previous", "speed_kmh")


def differences(client, stream, zone, names, batch=500):
    """How many values were compared, how many transactions have no score, and of each feature that differs how often and an example."""
    expected = features.features(stream, zone)
    customers = np.asarray(stream.customer.names, dtype=object)
    rows = {key: row for row, key in enumerate(zip(customers[stream.customer.codes], stream.transaction_id, strict=True))}
    found, compared, different = 0, 0, {}
    for begin in range(0, len(customers), batch):
        parameters = {"names": list(names), "customers": customers[begin : begin + batch].tolist()}
        recorded = [row for row in client.query(ROWS, parameters=parameters).result_rows if row[:2] in rows]
        if not recorded:
            continue
        found += len(recorded)
        at = np.array([rows[row[:2]] for row in recorded])
        values = np.array([row[2] for row in recorded])
        for column, name in enumerate(names):
            tolerance = {"rtol": 1e-6, "atol": 1e-6} if name in ROUGH else {"rtol": 1e-12, "atol": 0}
            differs = ~np.isclose(values[:, column], expected[name][at], equal_nan=True, **tolerance)
            compared += len(at)
            if differs.any():
                first = int(np.flatnonzero(differs)[0])
                count, example = different.get(name, (0, None))
                told = (*recorded[first][:2], float(values[first, column]), float(expected[name][at[first]]))
                different[name] = (count + int(differs.sum()), example or told)
    return compared, len(stream) - found, different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clickhouse", required=True, metavar="URL", help="the password is CLICKHOUSE_PASSWORD's")
    parser.add_argument("--database", default="millrace")
    parser.add_argument("--user", default="default")
    parser.add_argument("--transactions", type=argparse.FileType(), required=True, metavar="FILE")
    parser.add_argument("--labels", type=argparse.FileType(), metavar="FILE")
    parser.add_argument("--merchants", action="store_true", help="compare merchants' counts and risks too")
    parser.add_argument("--zone", default="UTC", help="where night and weekend are told, as in the rules")
    arguments = parser.parse_args()
    access = {"database": arguments.database, "username": arguments.user, "password": os.environ.get("CLICKHOUSE_PASSWORD", "")}
    client = clickhouse_connect.get_client(dsn=arguments.clickhouse, **access)
    names = [name for name in features.NAMES if not name.endswith("_blocked") and (arguments.merchants or name not in merchants.NAMES)]
    stream = read(arguments.transactions, arguments.labels or [])
    compared, missing, different = differences(client, stream, arguments.zone, names)
    for name, (count, (customer, transaction, recorded, expected)) in sorted(different.items()):
        print(f"  {name}: {count} differ; of {transaction} of {customer} {recorded!r} is recorded, and it is {expected!r}")
    print(f"{len(stream)} transactions, {missing} of them without a score; {compared} values of {len(names)} features compared, "
          f"{sum(count for count, _ in different.values())} differ")  # fmt: skip
    sys.exit(1 if different or missing else 0)


if __name__ == "__main__":
    main()
