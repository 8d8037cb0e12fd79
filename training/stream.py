"""A labelled stream of transactions, as columns, and as the lines that Millrace takes over HTTP."""

import dataclasses
import datetime
import json

import numpy as np

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Money is integers: ten-thousandths of the currency unit.
MONEY_UNIT = 10_000

# Texts of few different values: a number for each transaction, and what the numbers stand for.
CODED = ("customer", "merchant", "device", "location", "currency", "card_bin", "ip_address", "channel", "transaction_type")
# What the upstream may say of a transaction, by the names of fields and features; NaN where it says nothing.
RISKS = ("merchant_risk_score", "card_risk_score", "customer_risk_score")
FLAGS = ("is_velocity_alert", "is_location_alert", "is_device_alert", "is_high_value")


@dataclasses.dataclass
class Coded:
    """Texts as numbers: `names[codes[i]]` is that of transaction i."""

    codes: np.ndarray
    names: list

    @classmethod
    def of(cls, texts):
        names, codes = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
        return cls(codes.astype(np.int32), names.tolist())

    def __getitem__(self, rows):
        return Coded(self.codes[rows], self.names)


@dataclasses.dataclass
class Stream:
    """Transactions in the order of the log. Times are epoch milliseconds, amounts ten-thousandths, coordinates degrees or NaN."""

    at: np.ndarray
    amount: np.ndarray
    transaction_id: list
    customer: Coded
    merchant: Coded
    device: Coded
    location: Coded
    currency: Coded
    card_bin: Coded
    ip_address: Coded
    channel: Coded
    transaction_type: Coded
    latitude: np.ndarray
    longitude: np.ndarray
    # What it turned out to be, when that was told, and by which scenario (0 where there is none).
    fraud: np.ndarray
    label_at: np.ndarray
    scenario: np.ndarray
    upstream: dict = dataclasses.field(default_factory=dict)

    def __len__(self):
        return len(self.at)

    @property
    def day(self):
        """UTC days since 1970."""
        return self.at // DAY_MS


def iso(times_ms):
    """Times as ISO 8601 in UTC, to the second where none has milliseconds."""
    unit = "s" if not np.any(times_ms % 1000) else "ms"
    return np.char.add(np.datetime_as_string(times_ms.astype("datetime64[ms]"), unit=unit), "Z")


def write_transactions(stream, file, chunk=100_000):
    """One line for each transaction, as `POST /api/v1/transactions` takes them. What it turned out to be is not in it."""
    quoted = {name: [json.dumps(text, ensure_ascii=False) for text in getattr(stream, name).names] for name in CODED}
    quoted["transaction_type"] = stream.transaction_type.names
    for begin in range(0, len(stream), chunk):
        rows = slice(begin, min(begin + chunk, len(stream)))
        columns = [np.asarray(quoted[name], dtype=object)[getattr(stream, name).codes[rows]].tolist() for name in CODED]
        own = (stream.transaction_id[rows], iso(stream.at[rows]).tolist(), stream.amount[rows].tolist())
        rest = zip(*own, stream.latitude[rows].tolist(), stream.longitude[rows].tolist(), *columns, strict=True)
        for number, (name, at, amount, latitude, longitude, *texts) in enumerate(rest, begin):
            customer, merchant, device, location, currency, card_bin, ip_address, channel, kind = texts
            line = (
                f'{{"customer_id":{customer},"transaction_id":"{name}","amount":{decimal(amount)},'
                f'"currency":{currency},"type":{kind},"timestamp":"{at}","merchant_id":{merchant},"card_bin":{card_bin},'
                f'"ip_address":{ip_address},"device_id":{device},"location":{location},"channel":{channel}'
            )
            if latitude == latitude:
                line += f',"latitude":{latitude!r},"longitude":{longitude!r}'
            for field, values in stream.upstream.items():
                if values[number] == values[number]:
                    line += f',"{field}":{json.dumps(bool(values[number])) if field in FLAGS else repr(float(values[number]))}'
            file.write(line + "}\n")


def write_labels(stream, file, source="simulation"):
    """One line for each transaction, as `POST /api/v1/labels` takes them, in the order in which they are told; `scenario` is of no
    field of the contract, and kept beside them."""
    customers, names = np.asarray(stream.customer.names, dtype=object)[stream.customer.codes], stream.transaction_id
    order = np.argsort(stream.label_at, kind="stable")
    decided = iso(stream.label_at)
    for row in order.tolist():
        label = "fraud" if stream.fraud[row] else "legitimate"
        file.write(
            f'{{"customer_id":{json.dumps(customers[row])},"transaction_id":"{names[row]}","label":"{label}","source":"{source}",'
            f'"decided_at":"{decided[row]}","scenario":{stream.scenario[row]}}}\n'
        )


def read(transactions, labels):
    """A stream from lines of both kinds, as written above or as anybody sends them. A transaction without a label is legitimate, and
    that is told never; of several labels the last by time of decision counts, and is told when it was decided."""
    documents = [json.loads(line, parse_float=str, parse_int=str) for line in transactions if line.strip()]
    told = {}
    for document in (json.loads(line) for line in labels if line.strip()):
        key, at = (document["customer_id"], document["transaction_id"]), milliseconds(document["decided_at"])
        if key not in told or told[key][0] <= at:
            told[key] = (at, document["label"] in ("fraud", "chargeback"), document.get("scenario", 0))
    never = (np.iinfo(np.int64).max, False, 0)
    mine = [told.get((document["customer_id"], document["transaction_id"]), never) for document in documents]

    def column(name, default=None):
        return [document[name] if default is None else document.get(name, default) for document in documents]

    def numbers(name):
        return np.array([float(value) if (value := document.get(name)) is not None else np.nan for document in documents])

    given = {name: numbers(name) for name in RISKS + FLAGS if any(document.get(name) is not None for document in documents)}
    return Stream(
        at=np.array([milliseconds(at) for at in column("timestamp")], dtype=np.int64),
        amount=np.array([ten_thousandths(str(amount)) for amount in column("amount")], dtype=np.int64),
        transaction_id=column("transaction_id"),
        customer=Coded.of(column("customer_id")),
        merchant=Coded.of(column("merchant_id")),
        device=Coded.of(column("device_id")),
        location=Coded.of(column("location")),
        currency=Coded.of(column("currency")),
        card_bin=Coded.of(column("card_bin")),
        ip_address=Coded.of(column("ip_address")),
        channel=Coded.of(column("channel")),
        transaction_type=Coded.of(column("type")),
        latitude=numbers("latitude"),
        longitude=numbers("longitude"),
        label_at=np.array([at for at, _, _ in mine], dtype=np.int64),
        fraud=np.array([fraud for _, fraud, _ in mine], dtype=bool),
        scenario=np.array([scenario for _, _, scenario in mine], dtype=np.int8),
        upstream=given,
    )


def decimal(amount):
    """An amount as digits, two of them after the point where that is all; none of them passes through a binary float."""
    whole, fraction = divmod(amount, MONEY_UNIT)
    return f"{whole}.{fraction:04d}" if fraction % 100 else f"{whole}.{fraction // 100:02d}"


def milliseconds(text):
    """Epoch milliseconds of an ISO 8601 time, which must have its offset."""
    at = datetime.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return (at - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) // datetime.timedelta(milliseconds=1)


def ten_thousandths(text):
    """`10.99` exactly; more than four fraction digits are an error."""
    whole, _, fraction = text.partition(".")
    if not whole.isdigit() or not fraction.ljust(4, "0")[:4].isdigit() or fraction[4:].strip("0"):
        raise ValueError(f"{text!r} is not an amount of at most 4 fraction digits")
    return int(whole) * MONEY_UNIT + int(fraction.ljust(4, "0")[:4])
