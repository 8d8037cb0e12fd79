"""Simulates card payments and three kinds of fraud, as described in the Fraud Detection Handbook, in Millrace's own request format.

    python -m training.simulate --transactions transactions.ndjson --labels labels.ndjson [--seed 1] [--scenarios 1,2,3,4]

Customers and terminals lie on a square of 100 by 100; a customer pays at terminals nearby, an amount and a number of times a day of
its own. Fraud is, by scenario:
  1  every amount above 220;
  2  a terminal: two more each day are taken over for 28 days, and all payments there are fraud;
  3  a card: three more each day for 14 days, in which a third of its payments is fraud of five times the amount;
  4  card testing, not in the handbook and off by default: three cards each day see a burst of small payments online within half an
     hour from a device not seen before, and then one large payment.
A later scenario takes precedence over an earlier one. The same seed and settings give the same bytes with the same numpy.
This is written from the description; no code of the handbook is in it.
"""

import argparse
import dataclasses
import datetime
import sys

import numpy as np

from training.stream import DAY_MS, MONEY_UNIT, Coded, Stream, write_labels, write_transactions

SIDE = 100.0
DAY_S = 86_400
# Cents of the handbook's amounts in ten-thousandths.
CENT = MONEY_UNIT // 100
CURRENCY, CARD_BINS = "EUR", 40
# The square in degrees: a unit is about a kilometre.
SOUTH, WEST, NORTH_STEP, EAST_STEP = 50.0, 4.0, 0.009, 0.014


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is simulated; defaults are the handbook's."""

    seed: int = 0
    customers: int = 5_000
    terminals: int = 10_000
    days: int = 183
    first_day: datetime.date = datetime.date(2018, 4, 1)
    radius: float = 5.0
    scenarios: tuple = (1, 2, 3)
    label_delay_days: float = 7.0


# What a stream of random numbers is for. Each customer, and each day of a scenario, has one of its own.
CUSTOMERS, TERMINALS, PAYMENTS, TAKEN_TERMINALS, TAKEN_CARDS, TESTED_CARDS = range(6)


def simulate(settings):
    """A labelled stream in the order of time."""

    def random(*purpose):
        return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=purpose))

    places = random(TERMINALS).uniform(0, SIDE, (settings.terminals, 2))
    payments = _payments(settings, random, places)
    if 4 in settings.scenarios:
        payments = _merged(payments, _card_testing(settings, random, payments))
    _defraud(settings, random, payments)
    order = np.argsort(payments["second"], kind="stable")
    return _stream(settings, {name: values[order] for name, values in payments.items()}, places)


def _payments(settings, random, places):
    """What customers pay, the payments of each in the order of time. Amounts are in cents, times seconds since the first day."""
    rng = random(CUSTOMERS)
    homes = rng.uniform(0, SIDE, (settings.customers, 2))
    means = rng.uniform(5, 100, settings.customers)
    rates = rng.uniform(0, 4, settings.customers)
    parts = []
    for customer in range(settings.customers):
        near = np.flatnonzero(np.hypot(*(places - homes[customer]).T) < settings.radius)
        if len(near) == 0:
            continue
        rng = random(PAYMENTS, customer)
        day = np.repeat(np.arange(settings.days), rng.poisson(rates[customer], settings.days))
        of_day = rng.normal(DAY_S / 2, 20_000, len(day)).astype(np.int64)
        amount = rng.normal(means[customer], means[customer] / 2, len(day))
        amount = np.where(amount < 0, rng.uniform(0, 2 * means[customer], len(day)), amount)
        terminal = rng.choice(near, len(day))
        within = (of_day > 0) & (of_day < DAY_S)
        second = (day * DAY_S + of_day)[within]
        order = np.argsort(second, kind="stable")
        parts.append({
            "customer": np.full(len(second), customer),
            "second": second[order],
            "cents": np.rint(amount[within][order] * 100).astype(np.int64),
            "terminal": terminal[within][order],
            "device": np.full(len(second), customer),
        })
    if not parts:
        raise SystemExit("no customer has a terminal nearby: ask for more terminals or a larger radius")
    payments = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    payments["scenario"] = np.zeros(len(payments["second"]), dtype=np.int8)
    return payments


def _card_testing(settings, random, payments):
    """Scenario 4's payments, which are additional. Each burst has a device of its own, numbered from the number of customers."""
    parts = []
    for day in range(settings.days):
        rng = random(TESTED_CARDS, day)
        for victim in rng.choice(settings.customers, min(3, settings.customers), replace=False):
            own = payments["cents"][payments["customer"] == victim]
            tries = int(rng.integers(8, 21))
            begin = day * DAY_S + int(rng.integers(0, DAY_S - 3_600))
            times = np.append(np.sort(rng.integers(0, 1_800, tries)), 1_800 + rng.integers(0, 1_800))
            large = np.rint((np.mean(own) if len(own) else 5_000) * rng.uniform(2, 5)).astype(np.int64)
            parts.append({
                "customer": np.full(tries + 1, victim),
                "second": begin + times,
                "cents": np.append(rng.integers(50, 500, tries), large),
                "terminal": rng.integers(0, settings.terminals, tries + 1),
                "device": np.full(tries + 1, settings.customers + len(parts)),
                "scenario": np.full(tries + 1, 4, dtype=np.int8),
            })
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _merged(payments, others):
    return {name: np.concatenate([payments[name], others[name]]) for name in payments}


def _defraud(settings, random, payments):
    """Scenarios 1 to 3, in this order, among the customers' own payments."""
    cents, scenario, day = payments["cents"], payments["scenario"], payments["second"] // DAY_S
    own = scenario != 4
    if 1 in settings.scenarios:
        scenario[own & (cents > 220_00)] = 1
    # Payments sorted by terminal and by customer, to find those of one without looking at all.
    if 2 in settings.scenarios:
        of = _Finder(payments["terminal"], settings.terminals)
        for begin in range(settings.days):
            rng = random(TAKEN_TERMINALS, begin)
            for terminal in rng.choice(settings.terminals, min(2, settings.terminals), replace=False):
                rows = of(terminal)
                scenario[rows[own[rows] & (day[rows] >= begin) & (day[rows] < begin + 28)]] = 2
    if 3 in settings.scenarios:
        of = _Finder(payments["customer"], settings.customers)
        for begin in range(settings.days):
            rng = random(TAKEN_CARDS, begin)
            for customer in rng.choice(settings.customers, min(3, settings.customers), replace=False):
                rows = of(customer)
                rows = rows[own[rows] & (day[rows] >= begin) & (day[rows] < begin + 14)]
                rows = rng.choice(rows, len(rows) // 3, replace=False)
                cents[rows] *= 5
                scenario[rows] = 3


class _Finder:
    """The rows that hold a number, in their order."""

    def __init__(self, numbers, count):
        self.rows = np.argsort(numbers, kind="stable")
        self.ends = np.searchsorted(numbers[self.rows], np.arange(count + 1))

    def __call__(self, number):
        return self.rows[self.ends[number] : self.ends[number + 1]]


def _stream(settings, payments, places):
    customer, device = payments["customer"], payments["device"]
    is_online = device >= settings.customers
    # Cells of ten by ten; and one that stands for nowhere.
    cell_x, cell_y = (places // 10).astype(np.int64).T
    place = np.where(is_online, 100, (cell_x * 10 + cell_y)[payments["terminal"]])
    x, y = places[payments["terminal"]].T
    at = epoch_ms(settings.first_day) + payments["second"] * 1_000
    devices = int(device.max()) + 1
    return Stream(
        at=at,
        amount=payments["cents"] * CENT,
        transaction_id=[f"t{number:07d}" for number in range(len(at))],
        customer=Coded(customer, [f"c{number:05d}" for number in range(settings.customers)]),
        merchant=Coded(payments["terminal"], [f"m{number:05d}" for number in range(settings.terminals)]),
        device=Coded(device, [f"d{number:05d}" for number in range(devices)]),
        location=Coded(place, [f"cell-{number // 10}-{number % 10}" for number in range(100)] + ["online"]),
        currency=Coded(np.zeros(len(at), dtype=np.int64), [CURRENCY]),
        card_bin=Coded(customer % CARD_BINS, [f"4{number:05d}" for number in range(CARD_BINS)]),
        ip_address=Coded(device, [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(devices)]),
        channel=Coded(is_online.astype(np.int64), ["pos", "online"]),
        transaction_type=Coded(is_online.astype(np.int64), ["55", "56"]),
        # Where nobody stands before a terminal, there is no place.
        latitude=np.where(is_online, np.nan, np.round(SOUTH + y * NORTH_STEP, 6)),
        longitude=np.where(is_online, np.nan, np.round(WEST + x * EAST_STEP, 6)),
        fraud=payments["scenario"] > 0,
        label_at=at + int(settings.label_delay_days * DAY_MS),
        scenario=payments["scenario"],
    )


def epoch_ms(day):
    """The beginning of a day in UTC."""
    return (day - datetime.date(1970, 1, 1)).days * DAY_MS


def add_arguments(parser, leave_out=()):
    """Settings as options of a command, but for those left out."""
    date = {"type": datetime.date.fromisoformat, "metavar": "YYYY-MM-DD"}
    which = {"type": scenarios, "metavar": "1,2,3", "help": "which kinds of fraud happen"}
    delay = {"type": float, "help": "from a payment to its label"}
    told = {"first_day": date, "scenarios": which, "radius": {"type": float}, "label_delay_days": delay}
    for field in dataclasses.fields(Settings):
        if field.name not in leave_out:
            parser.add_argument(f"--{field.name.replace('_', '-')}", default=field.default, **told.get(field.name, {"type": int}))


def scenarios(text):
    """`1,2,3` as numbers."""
    numbers = tuple(sorted({int(number) for number in text.split(",") if number}))
    if not set(numbers) <= {1, 2, 3, 4}:
        raise argparse.ArgumentTypeError(f"scenarios are 1, 2, 3 and 4, not {text}")
    return numbers


def settings_of(arguments):
    """Settings from a command's options."""
    names = [field.name for field in dataclasses.fields(Settings) if hasattr(arguments, field.name)]
    return Settings(**{name: getattr(arguments, name) for name in names})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--transactions", type=argparse.FileType("w"), default=sys.stdout, metavar="FILE", help="default: standard output")
    parser.add_argument("--labels", type=argparse.FileType("w"), required=True, metavar="FILE", help="what each turned out to be")
    arguments = parser.parse_args()
    stream = simulate(settings_of(arguments))
    write_transactions(stream, arguments.transactions)
    write_labels(stream, arguments.labels)
    frauds = ", ".join(f"{np.sum(stream.scenario == number)} of scenario {number}" for number in arguments.scenarios)
    print(f"{len(stream)} transactions, {np.sum(stream.fraud)} of them fraud: {frauds}", file=sys.stderr)


if __name__ == "__main__":
    main()
