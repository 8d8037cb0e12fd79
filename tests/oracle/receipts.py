#!/usr/bin/env python3
"""What the pipeline must make of a file of receipts, computed from the file alone.

    receipts.py online_retail.csv.gz > expected.json
    receipts.py --zone UTC data/sample/receipts-generated.ndjson > expected.json

Reads the real receipts (CSV, one row a line) or receipts in the form of the HTTP contract (NDJSON), applies the field rules and
adds up what is accepted. Money is in ten-thousandths of the currency unit, quantities in millionths. Buckets are named by the UTC
time they begin at. Needs Python only; shares no code with the product.
"""

import argparse
import collections
import csv
import datetime
import decimal
import gzip
import itertools
import json
import re
import sys
import zoneinfo

from exact import MONEY_DIGITS, QUANTITY_DIGITS, divide_half_even, scaled

TOLERANCE = 100  # a total may differ by 0.01 from the sum of its lines
GRAINS = {"15m": 15 * 60, "1h": 3600, "1d": 86400}

Receipt = collections.namedtuple("Receipt", "place currency at total vat tips lines")
Line = collections.namedtuple("Line", "category quantity price amount nds_rate")


def line(category, quantity, price, nds_rate=None):
    """A line; its rate of VAT as figures name it: digits that count, and nothing where it is not known."""
    nds_rate = "" if nds_rate is None else f"{decimal.Decimal(nds_rate).normalize():f}"
    quantity, price = scaled(quantity, QUANTITY_DIGITS), scaled(price, MONEY_DIGITS)
    return Line(category, quantity, price, divide_half_even(quantity * price, 10**QUANTITY_DIGITS), nds_rate)


def opened(path):
    return gzip.open(path, "rt", encoding="utf-8", newline="") if path.endswith(".gz") else open(path, encoding="utf-8", newline="")


# --- the real receipts ---------------------------------------------------------------------------------------------------------

LONDON = zoneinfo.ZoneInfo("Europe/London")


def retail_rows(path):
    """Rows of each invoice, in the order invoices first appear."""
    invoices = {}
    with opened(path) as file:
        for row in csv.DictReader(file):
            invoices.setdefault(row["invoice_no"], []).append(row)
    return invoices


def retail_category(stock_code):
    return f"range-{stock_code[:2]}" if re.match("[0-9]{5}", stock_code) else "other"


def retail_receipt(rows):
    lines = [line(retail_category(row["stock_code"]), row["quantity"], row["unit_price"]) for row in rows]
    earliest = datetime.datetime.fromisoformat(min(row["invoice_date"] for row in rows))
    place = "online-retail-" + re.sub("[^a-z0-9]+", "-", rows[0]["country"].lower()).strip("-")
    at = int(earliest.replace(tzinfo=LONDON).timestamp())
    return Receipt(place, "GBP", at, sum(each.amount for each in lines), 0, 0, lines)


def minutes_between(rows):
    times = [datetime.datetime.fromisoformat(row["invoice_date"]) for row in rows]
    return (max(times) - min(times)) // datetime.timedelta(minutes=1)


def peculiarities(path, invoices):
    """What is odd about the real receipts, counted."""
    with opened(path) as file:
        runs = collections.Counter(number for number, _ in itertools.groupby(row["invoice_no"] for row in csv.DictReader(file)))
    each = [(number, rows, retail_receipt(rows)) for number, rows in invoices.items()]
    repeats = collections.Counter(tuple(row.values()) for rows in invoices.values() for row in rows)
    plain = [(rows, receipt) for number, rows, receipt in each if number[0].isdigit()]
    return {
        "plain_invoices": len(plain),
        "cancellations": sum(number.startswith("C") for number, _, _ in each),
        "cancellations_with_negative_total": sum(number.startswith("C") and receipt.total < 0 for number, _, receipt in each),
        "adjustments": sum(number.startswith("A") for number, _, _ in each),
        "with_negative_price": sum(any(entry.price < 0 for entry in receipt.lines) for _, _, receipt in each),
        "plain_total_zero_negative_quantity": sum(r.total == 0 and any(e.quantity < 0 for e in r.lines) for _, r in plain),
        "plain_total_zero_positive_quantity": sum(r.total == 0 and all(e.quantity > 0 for e in r.lines) for _, r in plain),
        "plain_with_some_free_lines": sum(r.total > 0 and any(e.price == 0 for e in r.lines) for _, r in plain),
        "with_several_times": sum(len({row["invoice_date"] for row in rows}) > 1 for _, rows, _ in each),
        "minutes_between_times_at_most": max(minutes_between(rows) for _, rows, _ in each),
        "first_row_not_earliest": sum(rows[0]["invoice_date"] != min(r["invoice_date"] for r in rows) for _, rows, _ in each),
        "with_rows_apart": sum(count > 1 for count in runs.values()),
        "exact_duplicate_lines": sum(count - 1 for count in repeats.values()),
        "receipts_with_duplicate_lines": sum(len({tuple(r.values()) for r in rows}) < len(rows) for _, rows, _ in each),
        "receipts_without_customer": sum(not rows[0]["customer_id"] for _, rows, _ in each),
        "lines_without_description": sum(not row["description"] for _, rows, _ in each for row in rows),
        "prices_with_three_digits": sum(entry.price % 100 != 0 for _, _, receipt in each for entry in receipt.lines),
        "largest_total": max(receipt.total for _, _, receipt in each),
        "smallest_total": min(receipt.total for _, _, receipt in each),
        "most_lines": max(len(rows) for _, rows, _ in each),
    }


# --- receipts of the HTTP contract ---------------------------------------------------------------------------------------------


def contract_receipts(path, zone, currency):
    """Receipts of an NDJSON file. Of several with the same place and id the first counts; the file is expected to have no conflict."""
    seen = set()
    with opened(path) as file:
        # Numbers stay text, so that no digit passes through a binary float.
        for document in (json.loads(text, parse_float=str, parse_int=str) for text in file if text.strip()):
            identity = (document["place_id"], document["transaction_id"])
            if identity in seen:
                continue
            seen.add(identity)
            at = datetime.datetime.fromisoformat(document["timestamp"])
            at = at if at.tzinfo else at.replace(tzinfo=zone)
            money = {name: scaled(document.get(name, "0"), MONEY_DIGITS) for name in ("total_amount", "nds_amount", "tips_amount")}
            lines = [line(item["category"], item["quantity"], item["price"], item.get("nds_rate")) for item in document["items"]]
            yield Receipt(document["place_id"], document.get("currency", currency), int(at.timestamp()), *money.values(), lines)


# --- rules and sums ------------------------------------------------------------------------------------------------------------


def broken_rules(receipt):
    """Codes of the rules a receipt breaks."""
    codes = set()
    if not receipt.lines:
        codes.add("no_items")
    for each in receipt.lines:
        if each.quantity == 0:
            codes.add("zero_quantity")
        if each.quantity < 0 and receipt.total >= 0:
            codes.add("negative_quantity")
        if each.price < 0:
            codes.add("negative_price")
    if abs(sum(each.amount for each in receipt.lines) - receipt.total) > TOLERANCE:
        codes.add("total_mismatch")
    if receipt.tips < 0:
        codes.add("negative_tips")
    if receipt.vat * receipt.total < 0 or abs(receipt.vat) > abs(receipt.total):
        codes.add("vat_out_of_range")
    return codes


def kind(receipt):
    return "purchase" if receipt.total > 0 else "return" if receipt.total < 0 else "zero"


RECEIPT_SUMS = ("purchases", "purchases_amount", "returns", "returns_amount", "zeros", "vat_amount", "tips_amount")
LINE_SUMS = ("lines", "quantity", "amount", "purchase_lines", "purchase_amount", "return_lines", "return_amount")


def receipt_sums(receipt):
    what = kind(receipt)
    bought, returned = what == "purchase", what == "return"
    return (bought, bought * receipt.total, returned, returned * receipt.total, what == "zero", receipt.vat, receipt.tips)


def line_sums(receipt, entry):
    bought, returned = kind(receipt) == "purchase", kind(receipt) == "return"
    return (1, entry.quantity, entry.amount, bought, bought * entry.amount, returned, returned * entry.amount)


def bucket(at, grain):
    begin = datetime.datetime.fromtimestamp(at - at % GRAINS[grain], datetime.timezone.utc)
    return begin.strftime("%Y-%m-%dT%H:%M:%SZ")


class Sums:
    """Sums by key, given out in the order of the keys."""

    def __init__(self, keys, values):
        self.keys, self.values, self.table = keys, values, {}

    def add(self, key, values):
        row = self.table.setdefault(key, [0] * len(self.values))
        for index, value in enumerate(values):
            row[index] += value

    def rows(self):
        return [dict(zip(self.keys + self.values, key + tuple(row))) for key, row in sorted(self.table.items())]


def add_up(receipts):
    kinds, refused = collections.Counter(), collections.Counter()
    total = lines = refused_total = 0
    places = Sums(("place_id", "currency"), RECEIPT_SUMS)
    categories = Sums(("category", "currency"), LINE_SUMS)
    places_by = {grain: Sums(("bucket", "place_id", "currency"), RECEIPT_SUMS) for grain in GRAINS}
    categories_by = {grain: Sums(("bucket", "category", "currency"), LINE_SUMS) for grain in GRAINS}
    for receipt in receipts:
        total += 1
        lines += len(receipt.lines)
        codes = broken_rules(receipt)
        if codes:
            refused_total += 1
            refused.update(codes)
            continue
        kinds[kind(receipt)] += 1
        sums = receipt_sums(receipt)
        begins = {grain: bucket(receipt.at, grain) for grain in GRAINS}
        places.add((receipt.place, receipt.currency), sums)
        for grain, begin in begins.items():
            places_by[grain].add((begin, receipt.place, receipt.currency), sums)
        for entry in receipt.lines:
            sums = line_sums(receipt, entry)
            categories.add((entry.category, receipt.currency), sums)
            for grain, begin in begins.items():
                categories_by[grain].add((begin, entry.category, receipt.currency), sums)
    return {
        "receipts": total,
        "lines": lines,
        "accepted": sum(kinds.values()),
        "accepted_by_kind": dict(sorted(kinds.items())),
        "accepted_lines": sum(row["lines"] for row in categories.rows()),
        "refused": refused_total,
        "refused_by_code": dict(sorted(refused.items())),
        "places": places.rows(),
        "categories": categories.rows(),
        "places_by": {grain: sums.rows() for grain, sums in places_by.items()},
        "categories_by": {grain: sums.rows() for grain, sums in categories_by.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", help="online_retail.csv[.gz], or receipts as .ndjson[.gz]")
    parser.add_argument("--zone", default="UTC", help="zone of times without offset in NDJSON (default UTC)")
    parser.add_argument("--currency", default="RUB", help="currency of receipts without one in NDJSON (default RUB)")
    parser.add_argument("--summary", action="store_true", help="leave out the sums by time")
    arguments = parser.parse_args()
    if ".csv" in arguments.file:
        invoices = retail_rows(arguments.file)
        expected = {"peculiarities": peculiarities(arguments.file, invoices)} | add_up(map(retail_receipt, invoices.values()))
    else:
        zone = zoneinfo.ZoneInfo(arguments.zone)
        expected = add_up(contract_receipts(arguments.file, zone, arguments.currency))
    if arguments.summary:
        expected = {name: value for name, value in expected.items() if not name.endswith("_by")}
    json.dump(expected, sys.stdout, indent=1 if arguments.summary else None)
    print()


if __name__ == "__main__":
    main()
