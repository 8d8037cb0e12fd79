#!/usr/bin/env python3
"""The sample out of the whole files, which `millrace loadgen send --dry-run` has turned into NDJSON.

    extract_sample.py receipts retail.ndjson > data/sample/receipts-online-retail.ndjson
    extract_sample.py transactions sparkov.ndjson > data/sample/transactions-sparkov.ndjson

Lines are copied as they are, in the order of the file. data/README.md has the whole procedure. Needs Python only.
"""

import argparse
import collections
import json
import sys

# Receipts of each shop: so many purchases and so many returns, the first ones with few lines.
SHOPS = {
    "united-kingdom": (40, 8),
    "germany": (14, 3),
    "france": (14, 3),
    "eire": (10, 3),
    "spain": (8, 2),
    "netherlands": (6, 1),
    "japan": (4, 1),
    "australia": (6, 1),
    "norway": (5, 1),
    "portugal": (6, 1),
}
MOST_LINES = 12

# Transactions before this time, of so many customers with a fraud among them and so many without.
UNTIL = "2019-01-15"
WITH_FRAUD, WITHOUT_FRAUD = 6, 12


def receipts(lines):
    left = {f"online-retail-{shop}": {"purchase": purchases, "return": returns} for shop, (purchases, returns) in SHOPS.items()}
    for text in lines:
        receipt = json.loads(text)
        # What the gateway refuses has no place in a sample, nor have receipts on which nothing was to pay.
        kind = "purchase" if receipt["total_amount"] > 0 else "return" if receipt["total_amount"] < 0 else None
        wanted = left.get(receipt["place_id"], {})
        if wanted.get(kind) and len(receipt["items"]) <= MOST_LINES and all(item["price"] >= 0 for item in receipt["items"]):
            wanted[kind] -= 1
            yield text


def transactions(lines):
    early = [(text, document) for text in lines if (document := json.loads(text))["timestamp"] < UNTIL]
    frauds = collections.Counter()
    for _, document in early:
        frauds[document["customer_id"]] += document["is_fraud"]
    customers = sorted(frauds, key=int)
    chosen = [customer for customer in customers if frauds[customer]][:WITH_FRAUD]
    chosen += [customer for customer in customers if not frauds[customer]][:WITHOUT_FRAUD]
    return (text for text, document in early if document["customer_id"] in chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["receipts", "transactions"])
    parser.add_argument("ndjson", help="all of them, as the gateway gets them")
    arguments = parser.parse_args()
    with open(arguments.ndjson, encoding="utf-8") as lines:
        sys.stdout.writelines({"receipts": receipts, "transactions": transactions}[arguments.kind](lines))


if __name__ == "__main__":
    main()
