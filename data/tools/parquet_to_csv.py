#!/usr/bin/env python3
"""A parquet file as CSV, which `millrace loadgen send --mapping` takes.

    parquet_to_csv.py sparkov_sample.parquet sparkov.csv

Numbers are written with the fewest digits that mean the same, never in scientific notation; times as 2019-01-01 00:02:31. Reads row
group by row group. Needs pyarrow.
"""

import argparse
import csv
import datetime
import decimal
import gzip

import pyarrow.parquet


def text(value):
    if value is None:
        return ""
    if isinstance(value, float):
        # repr gives the shortest decimal that reads back as the same float.
        return format(decimal.Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parquet")
    parser.add_argument("csv", help="file to write; compressed when it ends in .gz")
    arguments = parser.parse_args()
    opened = gzip.open if arguments.csv.endswith(".gz") else open
    source = pyarrow.parquet.ParquetFile(arguments.parquet)
    with opened(arguments.csv, "wt", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(source.schema_arrow.names)
        for batch in source.iter_batches():
            columns = [column.to_pylist() for column in batch.columns]
            writer.writerows([text(value) for value in row] for row in zip(*columns))


if __name__ == "__main__":
    main()
