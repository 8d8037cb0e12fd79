#!/usr/bin/env python3
"""The real receipts in another order, some of them twice, in two files: the second holds the last tenth, from any time.

    disorder_receipts.py --seed 6 online_retail.csv.gz FOLDER

Writes FOLDER/timely.csv and FOLDER/late.csv; the rows of an invoice stay together. Needs Python only.
"""

import argparse
import csv
import pathlib
import random

import receipts

TWICE_ONE_IN = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    invoices = list(receipts.retail_rows(arguments.file).values())
    invoices += draw.sample(invoices, len(invoices) // TWICE_ONE_IN)
    draw.shuffle(invoices)
    tenth = len(invoices) // 10
    for name, part in (("timely", invoices[tenth:]), ("late", invoices[:tenth])):
        with open(arguments.folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, fieldnames=list(invoices[0][0]))
            rows.writeheader()
            rows.writerows(row for invoice in part for row in invoice)


if __name__ == "__main__":
    main()
