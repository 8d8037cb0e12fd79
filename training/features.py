"""Millrace's features of a labelled stream, computed apart from the product: names and definitions are those of
`processors/src/scoring/features.rs`, how they come about is not.

    python -m training.features --transactions transactions.ndjson --labels labels.ndjson --out features.parquet

For streams in the order of time: what happens under disorder is defined, and proven, elsewhere (`processors/tests`, `tests/oracle`).
Absent is NaN. Features of blocklists are absent: they are the configuration's.
"""

import argparse
import collections
import datetime
import math
import zoneinfo

import numpy as np

from training import merchants
from training.stream import DAY_MS, FLAGS, HOUR_MS, MONEY_UNIT, RISKS, read

WINDOWS_HOURS = (3, 6, 12, 24)
KINDS = {"merchants": "merchant", "devices": "device", "locations": "location"}
# As many earlier transactions are looked at for what differs, and as many devices and locations of a customer remembered.
VISITS_MAX, KNOWN_MAX = 1_024, 32
EARTH_KM = 6_371.0088
BETWEEN_MIN_MS = 60_000

NAMES = tuple(
    sorted(
        ("amount", "amount_deviations", "amount_to_mean", "customer_count", "customer_currency_count", "customer_deviation")
        + ("customer_mean", "device_is_new", "hour_utc", "hours_since_previous", "is_night", "is_weekend", "km_from_previous")
        + ("location_is_new", "mean_24h_to_mean", "speed_kmh", "card_bin_blocked", "customer_blocked", "device_blocked")
        + ("ip_address_blocked", "merchant_blocked")
        + tuple(f"customer_transaction_count_{hours}h" for hours in WINDOWS_HOURS)
        + tuple(f"distinct_{kind}_24h" for kind in KINDS)
        + RISKS
        + FLAGS
        + merchants.NAMES
    )
)


def features(stream, zone="UTC", first_of_day_is_late=False):
    """Every feature by name, in the order of the stream. `zone` is where night and weekend are told; for `first_of_day_is_late` see
    merchants.features."""
    absent = np.full(len(stream), np.nan)
    found = dict.fromkeys(NAMES, absent)
    found |= {name: values.astype(float) for name, values in stream.upstream.items()}
    found |= {"amount": stream.amount / MONEY_UNIT, "hour_utc": (stream.at % DAY_MS // HOUR_MS).astype(float)}
    found |= _calendar(stream.at, zone) | merchants.features(stream, first_of_day_is_late)
    of_customer = Groups(stream.customer.codes, stream.at)
    found |= _counts(of_customer) | _surroundings(stream, of_customer) | _lifelong(stream, of_customer)
    return found


class Groups:
    """Transactions of the same customer (or customer and currency) side by side, those of each in the order of the stream.
    `rows` are their places in the stream, `at` their times, `begin` where the group of each begins."""

    def __init__(self, keys, at):
        self.rows = np.argsort(keys, kind="stable")
        self.at = at[self.rows]
        keys = keys[self.rows]
        is_first = np.append(True, keys[1:] != keys[:-1])
        self.begin = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
        self.number = np.cumsum(is_first) - 1
        self.starts = np.flatnonzero(is_first)
        if np.any((np.diff(self.at) < 0) & ~is_first[1:]):
            raise ValueError("a customer's transactions are not in the order of time: features are computed of streams that are")

    def since(self, length_ms):
        """For each, the first of its group that is less than `length_ms` older. At equal times, only those before it in the stream
        are looked at anyway."""
        first, span = self.at.min(), self.at.max() - self.at.min() + length_ms + 1
        # Groups one after the other on one line of time.
        line = self.number * span + (self.at - first)
        return np.searchsorted(line, np.maximum(line - length_ms, self.number * span - 1), side="right")

    def to_stream(self, values):
        """Values in this order, put back into that of the stream."""
        result = np.empty(len(values), dtype=float)
        result[self.rows] = values
        return result


def _calendar(at, zone):
    """Night and weekend. Offsets from UTC change at quarters of an hour."""
    quarters, which = np.unique(at // (HOUR_MS // 4), return_inverse=True)
    zone = zoneinfo.ZoneInfo(zone)
    local = [datetime.datetime.fromtimestamp(int(quarter) * 900, zone) for quarter in quarters]
    night, weekend = [time.hour <= 6 for time in local], [time.weekday() >= 5 for time in local]
    return {"is_night": np.array(night, dtype=float)[which], "is_weekend": np.array(weekend, dtype=float)[which]}


def _counts(group):
    """The customer's last hours, and the time since the transaction before."""
    places = np.arange(len(group.rows))
    found = {f"customer_transaction_count_{w}h": group.to_stream(places - group.since(w * HOUR_MS) + 1) for w in WINDOWS_HOURS}
    since_previous = np.append(0, np.diff(group.at)) / HOUR_MS
    since_previous[group.starts] = np.nan
    return found | {"hours_since_previous": group.to_stream(since_previous)}


def _surroundings(stream, group):
    """With whom, with what and where the customer paid."""
    since = np.maximum(group.since(DAY_MS), np.arange(len(group.rows)) - VISITS_MAX)
    found = {}
    for kind, column in KINDS.items():
        codes = getattr(stream, column).codes[group.rows]
        found[f"distinct_{kind}_24h"] = group.to_stream(_distinct(codes.tolist(), since.tolist()))
    for kind in ("device", "location"):
        codes = getattr(stream, kind).codes[group.rows]
        found[f"{kind}_is_new"] = group.to_stream(_new(codes.tolist(), group.begin.tolist()))
    return found | _travel(stream, group)


def _distinct(codes, since):
    """How many different ones there are from `since` up to each."""
    inside, begin, result = collections.Counter(), 0, []
    for code, first in zip(codes, since, strict=True):
        inside[code] += 1
        # At the next customer this empties what is left of the one before.
        while begin < first:
            inside[codes[begin]] -= 1
            if not inside[codes[begin]]:
                del inside[codes[begin]]
            begin += 1
        result.append(len(inside))
    return result


def _new(codes, begins):
    """Whether each is none of those remembered of its customer, which has earlier ones."""
    known, result = collections.deque(maxlen=KNOWN_MAX), []
    for place, (code, begin) in enumerate(zip(codes, begins, strict=True)):
        if place == begin:
            known.clear()
        is_known = code in known
        result.append(float(place > begin and not is_known))
        if not is_known:
            known.append(code)
    return result


def _travel(stream, group):
    """How far from the place before, and how fast. A place is known to a ten-millionth of a degree."""
    places = np.arange(len(group.rows))
    latitude, longitude = (np.radians(np.rint(values[group.rows] * 1e7) / 1e7) for values in (stream.latitude, stream.longitude))
    is_placed = ~np.isnan(latitude) & ~np.isnan(longitude)
    latest = np.maximum.accumulate(np.where(is_placed, places, -1))
    before = np.append(-1, latest[:-1])
    is_known = is_placed & (before >= group.begin)
    north = np.sin((latitude - latitude[before]) / 2)
    east = np.sin((longitude - longitude[before]) / 2)
    haversine = north**2 + np.cos(latitude) * np.cos(latitude[before]) * east**2
    km = np.where(is_known, 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(haversine, 0, 1))), np.nan)
    between_ms = np.maximum(group.at - group.at[before], BETWEEN_MIN_MS)
    return {"km_from_previous": group.to_stream(km), "speed_kmh": group.to_stream(km * HOUR_MS / between_ms)}


def _lifelong(stream, of_customer):
    """The customer's whole life before the transaction, and what the amount is to it, in its own currency."""
    currencies = len(stream.currency.names)
    group = Groups(stream.customer.codes.astype(np.int64) * currencies + stream.currency.codes, stream.at)
    amounts = stream.amount[group.rows]
    places = np.arange(len(amounts))
    count = places - group.begin
    mean, deviation = (group.to_stream(values) for values in _spread(amounts.tolist(), count.tolist()))
    sums = np.append(0, np.cumsum(amounts))
    since = group.since(DAY_MS)
    mean_24h = group.to_stream(_half_even(sums[places + 1] - sums[since], places - since + 1))
    amount = stream.amount / MONEY_UNIT
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "customer_count": of_customer.to_stream(places - of_customer.begin),
            "customer_currency_count": group.to_stream(count),
            "customer_mean": mean,
            "customer_deviation": deviation,
            "amount_deviations": np.where(deviation > 0, (amount - mean) / deviation, np.nan),
            "amount_to_mean": np.where(mean > 0, amount / mean, np.nan),
            "mean_24h_to_mean": np.where(mean > 0, mean_24h / MONEY_UNIT / mean, np.nan),
        }


def _spread(amounts, counts):
    """Mean and deviation, in units, of the `count` amounts of the group before each. Sums are Python's integers, which never
    overflow; the deviation is that of a sample."""
    means, deviations = [], []
    total = squares = 0
    for amount, count in zip(amounts, counts, strict=True):
        if count == 0:
            total = squares = 0
        means.append(total / count / MONEY_UNIT if count else np.nan)
        variance = (count * squares - total * total) / count / (count - 1) if count > 1 else np.nan
        deviations.append(math.sqrt(variance) / MONEY_UNIT)
        total += amount
        squares += amount * amount
    return means, deviations


def _half_even(total, count):
    """Quotients of integers, rounded half to even."""
    quotient, rest = np.divmod(total, count)
    return quotient + ((2 * rest > count) | ((2 * rest == count) & (quotient % 2 == 1)))


def main():
    import pyarrow
    import pyarrow.parquet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=argparse.FileType(), required=True, metavar="FILE", help="as sent to /api/v1/transactions")
    parser.add_argument("--labels", type=argparse.FileType(), required=True, metavar="FILE", help="as sent to /api/v1/labels")
    parser.add_argument("--zone", default="UTC", help="where night and weekend are told, as in the rules")
    parser.add_argument("--out", required=True, metavar="FILE", help="parquet: ids and a column for each feature, null where absent")
    arguments = parser.parse_args()
    stream = read(arguments.transactions, arguments.labels)
    customers = np.asarray(stream.customer.names, dtype=object)[stream.customer.codes]
    table = {"customer_id": customers, "transaction_id": stream.transaction_id}
    table |= {name: pyarrow.array(values, from_pandas=True) for name, values in features(stream, arguments.zone).items()}
    pyarrow.parquet.write_table(pyarrow.table(table), arguments.out)


if __name__ == "__main__":
    main()
