#!/usr/bin/env python3
"""Transactions in another order, with repeats, to test windows with.

    disorder.py --order within --duplicates 0.01 --conflicts 50 --seed 1 < transactions.ndjson > disordered.ndjson

Reads transactions as sent over HTTP, one a line. Orders: `file` as they are; `within` shuffled so that none lies more than the
lateness of 24 hours behind its customer's largest time; `full` shuffled without limit. A duplicate repeats a line somewhere after it;
a conflict repeats it with 0.01 more to pay. Needs Python only.
"""

import argparse
import datetime
import decimal
import json
import random
import re
import sys

LATENESS_S = 24 * 3600


def seconds(text):
    return datetime.datetime.fromisoformat(json.loads(text)["timestamp"]).timestamp()


def ordered(lines, order, draw):
    if order == "full":
        return draw.sample(lines, len(lines))
    if order == "within":
        # Of two lines that change places, the later is earlier by less than the difference of what is added to their times.
        keyed = [(seconds(text) + draw.random() * (LATENESS_S - 1), number) for number, text in enumerate(lines)]
        return [lines[number] for _, number in sorted(keyed)]
    return lines


def in_conflict(text):
    return re.sub('"amount":([0-9.]+)', lambda found: f'"amount":{decimal.Decimal(found[1]) + decimal.Decimal("0.01")}', text, count=1)


def with_repeats(lines, duplicates, conflicts, draw):
    # A repeat comes right after the line at a position not before its own.
    after = [[] for _ in lines]
    for number in draw.sample(range(len(lines)), round(duplicates * len(lines))):
        after[draw.randrange(number, len(lines))].append(lines[number])
    for number in draw.sample(range(len(lines)), conflicts):
        after[draw.randrange(number, len(lines))].append(in_conflict(lines[number]))
    for text, repeats in zip(lines, after):
        yield text
        yield from repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--order", choices=["file", "within", "full"], default="file")
    parser.add_argument("--duplicates", type=float, default=0.0, help="share of lines that come twice")
    parser.add_argument("--conflicts", type=int, default=0, help="number of lines that come again with another amount")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    lines = ordered([text.rstrip("\n") + "\n" for text in sys.stdin if text.strip()], arguments.order, draw)
    sys.stdout.writelines(with_repeats(lines, arguments.duplicates, arguments.conflicts, draw))


if __name__ == "__main__":
    main()
