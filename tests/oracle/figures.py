#!/usr/bin/env python3
"""Holds every figure of the query API against pandas over a file of receipts.

    figures.py --url http://127.0.0.1:8080 online_retail.csv.gz
    figures.py --url http://127.0.0.1:8080 --zone UTC receipts.ndjson

Per place, category, hour, day, week and month in several zones, and by hour of the day; money in ten-thousandths, quantities in
millionths, so that a difference of the smallest digit is one. Figures come as Parquet. Prints what was compared, and each
difference; ends with 1 when there is any.
"""

import argparse
import json
import sys
import urllib.parse
import urllib.request
import zoneinfo

import pandas
import pyarrow
import pyarrow.parquet

import receipts
from exact import divide_half_even

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata")
INTERVALS = ("1h", "day", "week", "month", "all")
MONEY, QUANTITY = 10**4, 10**6
SHOWN_MAX = 20


def frames(accepted):
    """One row for each receipt, and one for each line."""
    of_receipts, of_lines = [], []
    for receipt in accepted:
        kind = receipts.kind(receipt)
        common = {"at": receipt.at, "kind": kind, "place_id": receipt.place, "currency": receipt.currency}
        of_receipts.append(common | {"total": receipt.total, "nds": receipt.vat, "tips": receipt.tips})
        for line in receipt.lines:
            of_lines.append(common | {"category": line.category, "nds_rate": line.nds_rate, "quantity": line.quantity, "amount": line.amount})
    return pandas.DataFrame(of_receipts), pandas.DataFrame(of_lines)


def local(frame, zone):
    return pandas.to_datetime(frame["at"], unit="s", utc=True).dt.tz_convert(zone)


def starts(frame, interval, zone, begin):
    """When the interval of each row begins, in seconds."""
    at = local(frame, zone)
    if interval == "all":
        return pandas.Series(begin, index=frame.index)
    if interval == "1h":
        return frame["at"] - at.dt.minute * 60 - at.dt.second
    day = at.dt.tz_localize(None).dt.normalize()
    if interval == "week":
        day = day - pandas.to_timedelta(at.dt.day_of_week, unit="D")
    if interval == "month":
        day = day - pandas.to_timedelta(at.dt.day - 1, unit="D")
    return day.dt.tz_localize(zone).map(lambda time: int(time.timestamp()))


def sums(frame, keys, columns):
    """Counts and sums by kind, each named as the API names it."""
    parts = []
    for kind, count, named in columns:
        grouped = frame[frame["kind"] == kind].groupby(keys)
        parts.append(grouped.size().rename(count))
        parts.extend(grouped[column].sum().rename(name) for column, name in named.items())
    table = pandas.concat(parts, axis=1).fillna(0).astype("int64")
    return {key if isinstance(key, tuple) else (key,): row for key, row in zip(table.index, table.to_dict("records"))}


def with_mean(table):
    for row in table.values():
        row["mean_receipt"] = divide_half_even(row["purchase_total"], row["purchases"]) if row["purchases"] else None
    return table


OF_RECEIPTS = (
    ("purchase", "purchases", {"total": "purchase_total", "nds": "purchase_nds", "tips": "purchase_tips"}),
    ("return", "returns", {"total": "return_total", "nds": "return_nds", "tips": "return_tips"}),
    ("zero", "zeros", {"tips": "zero_tips"}),
)
OF_LINES = tuple(
    (kind, f"{kind}_lines", {"quantity": f"{kind}_quantity", "amount": f"{kind}_amount"}) for kind in ("purchase", "return", "zero")
)
OF_RATES = tuple((kind, f"{kind}_lines", {"amount": f"{kind}_amount"}) for kind in ("purchase", "return", "zero"))
OF_LOAD = (
    ("purchase", "purchases", {"total": "purchase_total"}),
    ("return", "returns", {"total": "return_total"}),
    ("zero", "zeros", {}),
)


class Api:
    def __init__(self, url):
        self.url = url

    def rows(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        path += "&" if "?" in path else "?"
        request = urllib.request.Request(f"{self.url}/api/v1/analytics/{path}{query}")
        request.add_header("accept", "application/vnd.apache.parquet")
        with urllib.request.urlopen(request) as answer:
            # One thread and no reading ahead: Arrow's threads can abort the interpreter at its end (apache/arrow#34314, #50482).
            source = pyarrow.BufferReader(answer.read())
            return pyarrow.parquet.read_table(source, use_threads=False, pre_buffer=False).to_pylist()


def whole(value, unit):
    """A decimal as an integer of its smallest digit."""
    if value is None or isinstance(value, int):
        return value
    scaled = value * unit
    if scaled != int(scaled):
        raise ValueError(f"{value} has more digits than it may")
    return int(scaled)


def of_api(rows, keys, names):
    def figure(row, name):
        return whole(row[name], QUANTITY if name.endswith("quantity") else MONEY)

    def key(row):
        return tuple(int(row[name].timestamp()) if name == "start" else row[name] for name in keys)

    return {key(row): {name: figure(row, name) for name in names} for row in rows}


class Comparison:
    def __init__(self):
        self.compared = 0
        self.differences = []

    def compare(self, what, found, expected):
        if not expected:
            self.differences.append(f"{what}: the oracle has no row")
        for key in sorted(found.keys() | expected.keys(), key=str):
            self.compared += 1
            if found.get(key) != expected.get(key):
                self.differences.append(f"{what} {key}: {found.get(key)} instead of {expected.get(key)}")


def compare(api, accepted):
    of_receipts, of_lines = frames(accepted)
    begin = int(of_receipts["at"].min()) // 86400 * 86400 - 86400
    end = int(of_receipts["at"].max()) // 86400 * 86400 + 2 * 86400
    iso = [pandas.Timestamp(at, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ") for at in (begin, end)]
    result = Comparison()
    for zone in ZONES:
        period = {"from": iso[0], "to": iso[1], "zone": zone}
        for interval in INTERVALS:
            for path, frame, key, columns in (
                ("places", of_receipts, "place_id", OF_RECEIPTS),
                ("categories", of_lines, "category", OF_LINES),
                ("taxes-and-tips", of_receipts, None, OF_RECEIPTS),
                ("taxes-and-tips?by=nds_rate", of_lines, "nds_rate", OF_RATES),
            ):
                keys = ["start"] + ([key] if key else []) + ["currency"]
                table = sums(frame.assign(start=starts(frame, interval, zone, begin)), keys, columns)
                if columns is OF_RECEIPTS:
                    table = with_mean(table)
                names = list(next(iter(table.values())))
                found = of_api(api.rows(path, interval=interval, **period), keys, names)
                result.compare(f"{path} by {interval} in {zone}", found, table)
        frame = of_receipts.assign(hour=local(of_receipts, zone).dt.hour)
        table = with_mean(sums(frame, ["hour", "currency"], OF_LOAD))
        names = list(next(iter(table.values())))
        result.compare(f"load in {zone}", of_api(api.rows("load", **period), ["hour", "currency"], names), table)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", help="online_retail.csv[.gz], or receipts as .ndjson[.gz]")
    parser.add_argument("--url", required=True, help="where the query API is")
    parser.add_argument("--zone", default="UTC", help="zone of times without offset in NDJSON (default UTC)")
    parser.add_argument("--currency", default="RUB", help="currency of receipts without one in NDJSON (default RUB)")
    arguments = parser.parse_args()
    if ".csv" in arguments.file:
        read = map(receipts.retail_receipt, receipts.retail_rows(arguments.file).values())
    else:
        read = receipts.contract_receipts(arguments.file, zoneinfo.ZoneInfo(arguments.zone), arguments.currency)
    accepted = [receipt for receipt in read if not receipts.broken_rules(receipt)]
    result = compare(Api(arguments.url), accepted)
    json.dump({"receipts": len(accepted), "compared": result.compared, "differences": len(result.differences)}, sys.stdout)
    print()
    for difference in result.differences[:SHOWN_MAX]:
        print(difference, file=sys.stderr)
    sys.exit(1 if result.differences else 0)


if __name__ == "__main__":
    main()
