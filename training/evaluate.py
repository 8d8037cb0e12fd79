"""Prints how well models find the handbook's three kinds of fraud in simulations, a seed after the other.

    python -m training.evaluate --seeds 5                      # a model trained for each seed by the handbook's protocol
    python -m training.evaluate --seeds 5 --bundle training/bundles/default
    python -m training.evaluate --seeds 5 --drop-one           # and what is lost without each group of features

Trained on 2018-07-25 to 07-31 and graded on 2018-08-08 to 08-14 of each simulation, without customers whose fraud is known by then.
With --bundle nothing is trained: the bundle's own model is graded on the same transactions.
"""

import argparse
import dataclasses
import time

import numpy as np

from training import data, model, protocol, simulate
from training.shipped import Shipped
from training.train import SIMULATED_DAYS_BEFORE, Scored, grades, print_grades, print_thresholds, train

PERIODS = protocol.Periods(data.number_of(simulate.Settings.first_day) + SIMULATED_DAYS_BEFORE)


def scored(shipped, dataset, kept):
    """A bundle's scores of the rows that are kept."""
    rows = dataset.rows[kept]
    score = shipped.scores(rows[:, [dataset.names.index(name) for name in shipped.names]])
    return Scored(dataset.day[kept], dataset.customer[kept], dataset.fraud[kept], rows, score)


def without(dataset, names):
    """The data set without these features."""
    kept = [at for at, name in enumerate(dataset.names) if name not in names]
    return dataclasses.replace(dataset, names=tuple(dataset.names[at] for at in kept), rows=dataset.rows[:, kept])


def recall_by_scenario(datasets, tests, alerts_per_day=100):
    """Of each scenario, the share of frauds among this many highest scores a day, over all tests."""
    caught, all_of = {}, {}
    for dataset, test in zip(datasets, tests, strict=True):
        scenario = dataset.scenario[PERIODS.in_test(dataset.day, dataset.customer, dataset.fraud)]
        for day in np.unique(test.day):
            rows = np.flatnonzero(test.day == day)
            top = rows[np.argsort(-test.score[rows], kind="stable")[:alerts_per_day]]
            for number in np.unique(scenario[rows][scenario[rows] > 0]):
                caught[number] = caught.get(number, 0) + int(np.sum(scenario[top] == number))
                all_of[number] = all_of.get(number, 0) + int(np.sum(scenario[rows] == number))
    return {number: caught[number] / all_of[number] for number in sorted(all_of)}


def print_drops(datasets, settings, full):
    """What is lost without each group of features, as means over all seeds."""
    figures = ("auc", "average_precision", "card_precision")
    base = np.mean([[getattr(each, name) for name in figures] for each in full], axis=0)
    print(f"  {'without':<18} {'AUC':>7} {'AP':>7} {'CP@100':>7}")
    for code, _, names in model.REASONS:
        if not set(names) & set(datasets[0].names):
            continue
        lost = []
        for dataset in datasets:
            (grade,) = grades(train([without(dataset, names)], PERIODS, settings).test)
            lost.append([getattr(grade, name) for name in figures])
        change = np.mean(lost, axis=0) - base
        print(f"  {code:<18} " + " ".join(f"{each:>+7.3f}" for each in change))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many simulations")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--scenarios", type=simulate.scenarios, default=simulate.Settings.scenarios, metavar="1,2,3")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--bundle", metavar="FOLDER", help="grade this bundle's model instead of training one for each seed")
    what.add_argument("--drop-one", action="store_true", help="train again without each group of features")
    arguments = parser.parse_args()
    started = time.monotonic()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    settings, shipped = model.Settings(), Shipped(arguments.bundle) if arguments.bundle else None
    datasets, tests = [], []
    for seed in seeds:
        days = PERIODS.end - data.number_of(simulate.Settings.first_day)
        simulation = simulate.Settings(seed=seed, days=days, scenarios=arguments.scenarios)
        dataset = data.of_simulation(simulation, shipped.names if shipped else model.FEATURES, PERIODS.first_day)
        if shipped:
            tests.append(scored(shipped, dataset, PERIODS.in_test(dataset.day, dataset.customer, dataset.fraud)))
        else:
            tests += train([dataset], PERIODS, settings).test
        datasets.append(dataset)
    graded = grades(tests)
    print(f"{arguments.bundle or 'Trained for each seed'}, scenarios {','.join(map(str, arguments.scenarios))}")
    print_grades([f"seed {seed}" for seed in seeds], graded)
    recall = recall_by_scenario(datasets, tests)
    shares = ", ".join(f"scenario {each} {share:.2f}" for each, share in recall.items())
    print(f"Share of frauds among the 100 highest scores a day: {shares}")
    print("Thresholds, over all tests")
    print_thresholds(tests, shipped.manifest["thresholds"] if shipped else {})
    if arguments.drop_one:
        print("Change without a group of features")
        print_drops(datasets, settings, graded)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
