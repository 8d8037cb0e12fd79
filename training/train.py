"""Trains a model on what Millrace recorded, grades it, and writes the bundle that Millrace takes it from.

    python -m training.train --clickhouse http://127.0.0.1:8123 --train-from 2018-07-25 --out bundle
    python -m training.train --from-simulation 1,2,3 --out bundle        # features from features.py, no Millrace needed
    python -m training.train --from-ndjson transactions.ndjson labels.ndjson --train-from 2018-07-25 --out bundle
    python -m training.train --from-parquet sparkov_sample.parquet --train-from 2019-03-01 --train-days 60 --out bundle

Trained on `train-days`; the `delay-days` after them are those whose labels have not come yet: thresholds are chosen there, by how many
alerts a day people can look at; graded on the `test-days` after that. The same data, options and packages write the same bytes.
"""

import argparse
import dataclasses
import datetime
import os

import numpy as np

from training import bundle, data, model, protocol, recorded, simulate
from training.stream import read

# The handbook trains from its day 115 on.
SIMULATED_DAYS_BEFORE = 115
# Alerts among all transactions, where no number a day is asked for.
REVIEW_SHARE, BLOCK_SHARE = 0.008, 0.004
TABLE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclasses.dataclass
class Trained:
    """A model, and what it scored in each data set: rows of the delay and of the test, with their scores."""

    booster: object
    delay: list
    test: list


@dataclasses.dataclass
class Scored:
    """Some rows of a data set with their scores."""

    day: np.ndarray
    customer: np.ndarray
    fraud: np.ndarray
    rows: np.ndarray
    score: np.ndarray


def scored(booster, dataset, kept):
    """Scores of the rows that are kept."""
    rows = dataset.rows[kept]
    score = model.scores(booster, model.filled(rows, dataset.names))
    return Scored(dataset.day[kept], dataset.customer[kept], dataset.fraud[kept], rows, score)


def train(datasets, periods, settings):
    """Trains on all data sets together, and scores each for itself."""
    rows = np.concatenate([each.rows[periods.in_training(each.day)] for each in datasets])
    fraud = np.concatenate([each.fraud[periods.in_training(each.day)] for each in datasets])
    if not fraud.any() or fraud.all():
        raise SystemExit(f"of {len(fraud)} transactions to train on {fraud.sum()} are fraud: a model needs both; name other days")
    names = datasets[0].names
    booster = model.fit(model.filled(rows, names), fraud, names, settings)
    delay = [scored(booster, each, periods.in_delay(each.day, each.customer, each.fraud)) for each in datasets]
    test = [scored(booster, each, periods.in_test(each.day, each.customer, each.fraud)) for each in datasets]
    return Trained(booster, delay, test)


def grades(of):
    """The handbook's figures of each data set's test."""
    for each in of:
        if not each.fraud.any() or each.fraud.all():
            raise SystemExit(f"of {len(each.fraud)} transactions to grade {each.fraud.sum()} are fraud: it takes both; name other days")
    return [protocol.grade(each.day, each.customer, each.fraud, each.score) for each in of]


def thresholds(delay, days, review_per_day=None, block_per_day=None):
    """Thresholds to review and to block by how many alerts a day they make in each data set, or else by the usual shares of
    transactions; the reviewed include the blocked."""
    score = np.concatenate([each.score for each in delay])
    if not len(score):
        raise SystemExit("there are no transactions in the days of the delay, where thresholds are chosen; name other days")
    found = []
    for per_day, share in ((review_per_day, REVIEW_SHARE), (block_per_day, BLOCK_SHARE)):
        alerts = share * len(score) if per_day is None else per_day * days * len(delay)
        # A threshold of 0 would alert on everything, and one above 1 on nothing.
        found.append(min(max(protocol.threshold_for(score, int(alerts)), 1e-6), 1.0))
    return found[0], max(found)


def print_grades(names, of):
    """A line for each test, and their mean."""
    print(f"  {'test':<10} {'transactions':>12} {'frauds':>7} {'AUC':>6} {'AP':>6} {'CP@100':>7}")
    for name, each in zip(names, of, strict=True):
        figures = f"{each.auc:>6.3f} {each.average_precision:>6.3f} {each.card_precision:>7.3f}"
        print(f"  {name:<10} {each.transactions:>12} {each.frauds:>7} {figures}")
    if len(of) > 1:
        means = [np.mean([getattr(each, name) for each in of]) for name in ("auc", "average_precision", "card_precision")]
        print(f"  {'mean':<10} {'':>12} {'':>7} {means[0]:>6.3f} {means[1]:>6.3f} {means[2]:>7.3f}")


def print_thresholds(test, chosen):
    """What thresholds come to, as means over all tests."""
    print(f"  {'threshold':>9} {'alerts/day':>10} {'cards/day':>9} {'precision':>9} {'recall':>7} {'false alarms':>12}")
    # Days of different tests are different days.
    step = max(int(each.day.max()) for each in test) + 1
    columns = [np.concatenate([getattr(each, name) for each in test]) for name in ("customer", "fraud", "score")]
    day = np.concatenate([each.day + number * step for number, each in enumerate(test)])
    for row in protocol.at_thresholds(day, *columns, sorted({*TABLE, *chosen.values()})):
        name = next((name for name, value in chosen.items() if value == row.threshold), "")
        print(
            f"  {row.threshold:>9.4g} {row.alerts_per_day:>10.1f} {row.cards_per_day:>9.1f} {row.precision:>9.3f} {row.recall:>7.3f} "
            f"{row.false_positive_rate:>12.3%}  {name}".rstrip()
        )


def print_gains(booster, names):
    """How much of what the trees gained came from each feature."""
    gains = booster.feature_importance("gain")
    for at in np.argsort(-gains, kind="stable"):
        print(f"  {names[at]:<32} {gains[at] / gains.sum():>6.1%}")


def datasets_of(arguments, names):
    """What is trained on, its seeds, and the first day of the training."""
    lasts = arguments.train_days + arguments.delay_days + arguments.test_days
    if arguments.from_simulation:
        first = arguments.train_from or arguments.first_day + datetime.timedelta(days=SIMULATED_DAYS_BEFORE)
        days = (first - arguments.first_day).days + lasts
        settings = [dataclasses.replace(simulate.settings_of(arguments), seed=seed, days=days) for seed in arguments.from_simulation]
        first = data.number_of(first)
        return [data.of_simulation(each, names, first) for each in settings], arguments.from_simulation, first
    if not arguments.train_from:
        raise SystemExit("say when the training begins: --train-from YYYY-MM-DD")
    first = data.number_of(arguments.train_from)
    if arguments.from_parquet:
        stream, name = data.sparkov(arguments.from_parquet), os.path.basename(arguments.from_parquet)
        return [data.of_stream(name, stream, names, first)], [], first
    if arguments.from_ndjson:
        with open(arguments.from_ndjson[0]) as transactions, open(arguments.from_ndjson[1]) as labels:
            stream, name = read(transactions, labels), os.path.basename(arguments.from_ndjson[0])
        return [data.of_stream(name, stream, names, first)], [], first
    access = arguments.database, arguments.user, os.environ.get("CLICKHOUSE_PASSWORD", "")
    return [recorded.fetch(arguments.clickhouse, *access, names, first, first + lasts, unlabelled=arguments.unlabelled)], [], first


def features(text):
    """`amount,is_night` as names; `all` are all of them."""
    names = tuple(model.DEFAULTS) if text == "all" else tuple(text.split(","))
    if unknown := [name for name in names if name not in model.DEFAULTS]:
        raise argparse.ArgumentTypeError(f"no default is known for {', '.join(unknown)}; features are {', '.join(model.DEFAULTS)}")
    return names


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--clickhouse", metavar="URL", help="ClickHouse's HTTP interface; the password is CLICKHOUSE_PASSWORD's")
    source.add_argument("--from-simulation", type=lambda text: [int(seed) for seed in text.split(",")], metavar="SEEDS")
    source.add_argument("--from-ndjson", nargs=2, metavar=("TRANSACTIONS", "LABELS"), help="as sent to /api/v1")
    source.add_argument("--from-parquet", metavar="FILE", help="as made by Sparkov_Data_Generation")
    parser.add_argument("--database", default="millrace")
    parser.add_argument("--user", default="default")
    unlabelled = {"choices": ("legitimate", "left-out"), "default": "legitimate"}
    parser.add_argument("--unlabelled", **unlabelled, help="what recorded transactions without a label are taken for")
    parser.add_argument("--train-from", type=datetime.date.fromisoformat, metavar="YYYY-MM-DD", help="first day of the training, UTC")
    parser.add_argument("--train-days", type=int, default=7)
    parser.add_argument("--delay-days", type=int, default=7, help="how long labels take")
    parser.add_argument("--test-days", type=int, default=7, help="days after those to grade on; 0 where there are none yet")
    budget = f"alerts a day of each data set, those to block included; default: {REVIEW_SHARE:.1%} of transactions"
    parser.add_argument("--review-per-day", type=float, metavar="ALERTS", help=budget.replace("%", "%%"))
    parser.add_argument("--block-per-day", type=float, metavar="ALERTS", help=f"default: {BLOCK_SHARE:.1%}".replace("%", "%%"))
    taken = {"type": features, "default": model.FEATURES, "metavar": "NAME,..."}
    parser.add_argument("--features", **taken, help="what the model takes, in its order, or all; default: what a simulation can teach")
    for field in dataclasses.fields(model.Settings):
        option = f"--model-{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(field.default), default=field.default)
    parser.add_argument("--id", default="lightgbm", help="name of the model: a-z, 0-9, - and _")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the bundle goes")
    simulated = parser.add_argument_group("of simulations")
    simulate.add_arguments(simulated, leave_out=("seed", "days"))
    return parser.parse_args()


def main():
    arguments = parsed()
    names = arguments.features
    datasets, seeds, first = datasets_of(arguments, names)
    periods = protocol.Periods(first, arguments.train_days, arguments.delay_days, arguments.test_days)
    settings = {field.name: getattr(arguments, f"model_{field.name}") for field in dataclasses.fields(model.Settings)}
    settings = model.Settings(**settings)
    trained = train(datasets, periods, settings)
    review, block = thresholds(trained.delay, periods.delay, arguments.review_per_day, arguments.block_per_day)

    training = [each.rows[periods.in_training(each.day)] for each in datasets]
    frauds = sum(int(each.fraud[periods.in_training(each.day)].sum()) for each in datasets)
    days = f"{data.date_of(first)} to before {data.date_of(periods.delay_from)}"
    print(f"Trained on {sum(map(len, training))} transactions, {frauds} of them fraud: {days}")
    if periods.test:
        print(f"Graded on {data.date_of(periods.test_from)} to before {data.date_of(periods.end)}")
        print_grades([f"seed {seed}" for seed in seeds] or ["all"], grades(trained.test))
        print("Thresholds, over all tests")
        print_thresholds(trained.test, {"review": review, "block": block})
    print("Gain of the trees by feature")
    print_gains(trained.booster, names)

    card = bundle.Card(arguments.id, sorted({each.name for each in datasets}), list(seeds), first, periods.delay_from, review, block)
    unseen = np.concatenate([each.score for each in trained.delay])
    proof = np.concatenate([each.rows for each in (trained.test if periods.test else trained.delay)])
    difference = bundle.write(arguments.out, card, trained.booster, names, np.concatenate(training), unseen, proof)
    print(f"ONNX Runtime is at most {difference:.1e} off LightGBM over {len(proof)} rows that it was not trained on")
    print(f"Wrote {arguments.out}")


if __name__ == "__main__":
    main()
