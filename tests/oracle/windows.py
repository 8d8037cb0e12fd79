#!/usr/bin/env python3
"""Each customer's sliding windows, by brute force over a log of transactions.

    windows.py < log.ndjson > expected.ndjson
    windows.py --contract < data/sample/transactions-sparkov.ndjson > expected.ndjson

Reads one transaction a line, in log order: customer_id, transaction_id, occurred_at (epoch milliseconds), amount (integer,
ten-thousandths), currency, and optionally position (else the line's number from 0) and content (anything that tells apart two
records of the same id; else time, amount and currency do). With --contract the lines are transactions as sent over HTTP.

Writes one line for each: its outcome (scored, duplicate or conflict), whether its windows are exact, and for each window w of 3, 6,
12 and 24 hours the number of the customer's distinct transactions with occurred_at in (t-w, t] at or before this position, and the
mean amount, rounded half to even, of those in its own currency.

A transaction that lies more than the lateness of 24 hours behind the customer's largest occurred_at before it is late: its windows
are not exact, and hold only what is retained, which is itself and what lies less than 48 hours behind that largest time.

Needs Python only; shares no code with the product. --naive looks at every earlier transaction of the customer each time.
"""

import argparse
import bisect
import collections
import datetime
import json
import sys

from exact import MONEY_DIGITS, divide_half_even, scaled

HOUR = 3_600_000
WINDOWS = (3, 6, 12, 24)
LATENESS = 24 * HOUR
RETENTION = LATENESS + max(WINDOWS) * HOUR

Transaction = collections.namedtuple("Transaction", "position customer id at amount currency content")


class Naive:
    """The definition, word by word."""

    def __init__(self):
        self.earlier = []

    def windows(self, new):
        largest = max((each.at for each in self.earlier), default=None)
        exact = largest is None or new.at >= largest - LATENESS
        known = self.earlier if exact else [each for each in self.earlier if each.at > largest - RETENTION]
        result = {}
        for hours in WINDOWS:
            inside = [each for each in known + [new] if new.at - hours * HOUR < each.at <= new.at]
            same = [each.amount for each in inside if each.currency == new.currency]
            result[hours] = (len(inside), divide_half_even(sum(same), len(same)))
        self.earlier.append(new)
        return exact, result


class Quick:
    """The same over a sorted list of what is retained."""

    def __init__(self):
        self.times, self.entries, self.largest = [], [], None

    def windows(self, new):
        exact = self.largest is None or new.at >= self.largest - LATENESS
        if self.largest is not None:
            gone = bisect.bisect_right(self.times, self.largest - RETENTION)
            del self.times[:gone], self.entries[:gone]
        index = bisect.bisect_right(self.times, new.at)
        self.times.insert(index, new.at)
        self.entries.insert(index, (new.currency, new.amount))
        self.largest = new.at if self.largest is None else max(self.largest, new.at)
        result = {}
        for hours in WINDOWS:
            first = bisect.bisect_right(self.times, new.at - hours * HOUR)
            inside = self.entries[first : index + 1]
            same = [amount for currency, amount in inside if currency == new.currency]
            result[hours] = (len(inside), divide_half_even(sum(same), len(same)))
        return exact, result


def expected(transactions, customer_state=Quick):
    """One result for each transaction of the log, in its order."""
    states = collections.defaultdict(customer_state)
    first_content = {}
    for new in transactions:
        result = {"position": new.position, "customer_id": new.customer, "transaction_id": new.id}
        known = first_content.setdefault((new.customer, new.id), (new.position, new.content))
        if known[0] != new.position:
            yield result | {"outcome": "duplicate" if known[1] == new.content else "conflict", "first_position": known[0]}
            continue
        exact, windows = states[new.customer].windows(new)
        result |= {"outcome": "scored", "window_exact": exact}
        result |= {f"customer_transaction_count_{hours}h": count for hours, (count, _) in windows.items()}
        result |= {f"customer_avg_amount_{hours}h": mean for hours, (_, mean) in windows.items()}
        yield result


def from_log(lines):
    for number, text in enumerate(lines):
        document = json.loads(text)
        at, amount, currency = document["occurred_at"], document["amount"], document["currency"]
        content = json.dumps(document.get("content", [at, amount, currency]), sort_keys=True)
        position = document.get("position", number)
        yield Transaction(position, document["customer_id"], document["transaction_id"], at, amount, currency, content)


def from_contract(lines):
    epoch = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    for number, text in enumerate(lines):
        # Numbers stay text, so that no digit passes through a binary float.
        document = json.loads(text, parse_float=str, parse_int=str)
        at = (datetime.datetime.fromisoformat(document["timestamp"]) - epoch) // datetime.timedelta(milliseconds=1)
        amount, currency = scaled(document["amount"], MONEY_DIGITS), document["currency"]
        content = json.dumps(document, sort_keys=True)
        yield Transaction(number, document["customer_id"], document["transaction_id"], at, amount, currency, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--naive", action="store_true", help="look at every earlier transaction each time")
    parser.add_argument("--contract", action="store_true", help="lines are transactions as sent over HTTP")
    arguments = parser.parse_args()
    read = from_contract if arguments.contract else from_log
    lines = (text for text in sys.stdin if text.strip())
    for result in expected(read(lines), Naive if arguments.naive else Quick):
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
