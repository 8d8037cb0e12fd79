"""What is trained and graded on: features by transaction, and what each turned out to be."""

import dataclasses
import datetime

import numpy as np

from training import features, simulate
from training.stream import DAY_MS, Coded, Stream


@dataclasses.dataclass
class Dataset:
    """Rows in the order of time, at one time by the ids of customer and transaction: so a model doesn't depend on partitions. Days are
    UTC days since 1970, customers numbers from 0 in the order of their ids; an absent feature is NaN."""

    name: str
    day: np.ndarray
    customer: np.ndarray
    fraud: np.ndarray
    names: tuple
    rows: np.ndarray
    scenario: np.ndarray | None = None


def number_of(day):
    """A date as its number of days since 1970."""
    return (day - datetime.date(1970, 1, 1)).days


def date_of(number):
    """The date of a number of days since 1970."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=int(number))


def of_stream(name, stream, names, first_day=None):
    """The named features of a stream; with a first day, only rows since then. What came before is in them all the same."""
    found = features.features(stream)
    kept = np.flatnonzero(stream.day >= (stream.day.min() if first_day is None else first_day))
    _, rank = np.unique(stream.customer.names, return_inverse=True)
    ids = np.asarray(stream.transaction_id, dtype=object)[kept].astype(str)
    kept = kept[np.lexsort((ids, rank[stream.customer.codes[kept]], stream.at[kept]))]
    rows = np.stack([found[each][kept] for each in names], axis=1).astype(np.float32)
    customer = rank[stream.customer.codes[kept]]
    return Dataset(name, stream.day[kept], customer, stream.fraud[kept], tuple(names), rows, stream.scenario[kept])


def of_simulation(settings, names, first_day=None):
    """The named features of a simulation."""
    return of_stream(described(settings), simulate.simulate(settings), names, first_day)


def described(settings):
    """A simulation by name: all but its seed."""
    return (
        f"simulation of {settings.customers} customers at {settings.terminals} terminals for {settings.days} days from "
        f"{settings.first_day}, fraud of scenarios {','.join(map(str, settings.scenarios))}, labels after "
        f"{settings.label_delay_days:g} days (training/simulate.py)"
    )


def sparkov(path, label_delay_days=7):
    """A stream of a file that Sparkov_Data_Generation made, as `data/mappings/sparkov.toml` reads it. Of the mapping's texts only those
    are made that a feature depends on: a customer has one card, device and address."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path).to_pydict()
    seconds = np.array(table["tx_datetime"], dtype="datetime64[ms]").astype(np.int64)
    order = np.argsort(seconds, kind="stable")

    def texts(name):
        return Coded.of(table[name])[order]

    at = seconds[order]
    constant = Coded(np.zeros(len(at), dtype=np.int32), ["-"])
    return Stream(
        at=at,
        # The file's amounts are binary floats of cents.
        amount=np.rint(np.array(table["amount"], dtype=float)[order] * 100).astype(np.int64) * 100,
        transaction_id=np.asarray(table["trans_num"], dtype=object)[order].tolist(),
        customer=texts("customer_id"),
        merchant=texts("merchant"),
        device=texts("customer_id"),
        location=texts("state"),
        currency=Coded(constant.codes, ["USD"]),
        card_bin=constant,
        ip_address=constant,
        channel=constant,
        transaction_type=constant,
        latitude=np.array(table["merch_lat"], dtype=float)[order],
        longitude=np.array(table["merch_long"], dtype=float)[order],
        fraud=np.array(table["is_fraud"], dtype=bool)[order],
        label_at=at + label_delay_days * DAY_MS,
        scenario=np.zeros(len(at), dtype=np.int8),
    )
