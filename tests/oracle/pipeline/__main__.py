#!/usr/bin/env python3
"""What a whole pipeline was given, what it has in its log and what in its tables: whether that is one and the same.

    python tests/oracle/pipeline --brokers HOST:PORT --prefix chaos. --clickhouse http://HOST:PORT --database chaos --books books.tsv

Reads the clients' books, every topic with the official client, and the tables; recomputes the outcome of each journal record, every
window, purchase, row and rollup, and balances the money from the clients to the tables. Shares no code with the product. Prints
counts, balances and the findings of each check as JSON; ends with 0 whether there are findings or not.

The pipeline must be at rest: every reader at the end of the log.
"""

import argparse
import collections
import json
import pathlib
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1]))

import tables  # noqa: E402
from books import Books  # noqa: E402
from findings import Findings  # noqa: E402
from log import Log  # noqa: E402
from outcomes import JOURNALS, Outcomes, source_of, source_of_letter  # noqa: E402
from rollups import Rollups  # noqa: E402

MONEY = {"transactions": ["transactions", "transaction_scores"], "receipts": ["receipts"]}


def follow_journals(log, books, client, findings, counts, sums):
    outcomes, rollups = Outcomes(log, books, findings, counts, sums), Rollups()
    for journal in JOURNALS:
        partitions = log.partitions(journal.topic)
        for partition in partitions:
            rows = tables.Partition(client, journal.derived, partition, findings, counts)

            def on_output(record, event, rows=rows, topic=journal.derived):
                rows.add(record, event)
                rollups.add(topic, event)

            outcomes.follow(journal, partition, len(partitions), on_output)
            rows.close()
    rollups.compare(client, findings, counts)


def follow_others(log, client, findings, counts):
    """Topics that no journal record is followed to: their tables hold what readers take of them."""
    nowhere = lambda event: None
    for topic, position in [
        ("duplicates", source_of), ("dead-letters", source_of_letter), ("requests", nowhere), ("labels", nowhere)
    ]:
        for partition in log.partitions(topic):
            rows, last = tables.Partition(client, topic, partition, findings, counts), {}
            for record, event in log.events(topic, partition):
                source = position(event)
                if source is not None and last.get(source[:2], -1) >= source[2]:
                    continue
                if source is not None:
                    last[source[:2]] = source[2]
                rows.add(record, event)
            rows.close()


def balance(books, client, findings, sums):
    """What the clients sent, what is in effect in the log, and what the tables hold, by currency."""
    find = findings.check("money balances from the clients to the tables")
    for journal, names in MONEY.items():
        places = {f"{journal} of clients": +books.sums[journal], f"{journal} in the log": +sums[f"{journal} in the log"]}
        for table in names:
            column = "total_amount" if table == "receipts" else "amount"
            columns = client.query(f"SELECT currency, toInt64(sum({column}) * 10000) FROM {table} GROUP BY currency").result_columns
            places[f"table {table}"] = +collections.Counter(dict(zip(*columns)))
        sums |= places
        if len({json.dumps(place, sort_keys=True) for place in places.values()}) > 1:
            find(f"{places}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--brokers", "--prefix", "--clickhouse", "--database"):
        parser.add_argument(name, required=True)
    parser.add_argument("--books", action="append", required=True)
    arguments = parser.parse_args()
    findings, counts, sums = Findings(), collections.Counter(), collections.defaultdict(collections.Counter)
    books = Books(arguments.books, findings)
    log, client = Log(arguments.brokers, arguments.prefix), tables.connect(arguments.clickhouse, arguments.database)
    counts["items sent"] = len(books.content)
    for status, count in books.statuses.items():
        counts[f"answers: {status}" if " " not in status else status] = count
    follow_journals(log, books, client, findings, counts, sums)
    follow_others(log, client, findings, counts)
    balance(books, client, findings, sums)
    json.dump({"counts": dict(counts), "balances": {name: dict(sum_) for name, sum_ in sums.items()}, "checks": findings.report()},
              sys.stdout)


main()
