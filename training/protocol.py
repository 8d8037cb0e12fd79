"""The grading protocol of the Fraud Detection Handbook: train a week, wait a week for labels, test a week.

What is graded is how well scores find fraud that nobody knows yet: customers whose fraud is known when a test day begins are not
graded on that day. Days are numbers; any numbering will do.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Periods:
    """Days of training, of the delay that labels take, and of the test, one after the other."""

    first_day: int
    train: int = 7
    delay: int = 7
    test: int = 7

    @property
    def delay_from(self):
        return self.first_day + self.train

    @property
    def test_from(self):
        return self.delay_from + self.delay

    @property
    def end(self):
        return self.test_from + self.test

    def in_training(self, day):
        """Which transactions are trained on."""
        return (day >= self.first_day) & (day < self.delay_from)

    def in_delay(self, day, customer, fraud):
        """Which are too young for labels, and too old for the test."""
        return self._unknown(self.delay_from, self.test_from, day, customer, fraud)

    def in_test(self, day, customer, fraud):
        """Which are graded."""
        return self._unknown(self.test_from, self.end, day, customer, fraud)

    def _unknown(self, begin, end, day, customer, fraud):
        """Transactions of these days, but for customers of whom a fraud is known when the day begins: one since the training began,
        and more than `delay` days before. Customers are numbers from 0."""
        found = np.zeros(len(day), dtype=bool)
        for each in range(begin, end):
            known = fraud & (day >= self.first_day) & (day < each - self.delay)
            is_known = np.zeros(int(customer.max()) + 1, dtype=bool)
            is_known[customer[known]] = True
            found |= (day == each) & ~is_known[customer]
        return found


def auc(fraud, score):
    """Chance that a fraud is scored higher than what is none; equal scores count half."""
    frauds = int(np.sum(fraud))
    others = len(fraud) - frauds
    if not frauds or not others:
        raise ValueError("AUC needs both frauds and others")
    _, which, sizes = np.unique(score, return_inverse=True, return_counts=True)
    # Mean rank, from 1, of equal scores.
    rank = (np.cumsum(sizes) - (sizes - 1) / 2)[which]
    return float((np.sum(rank[fraud]) - frauds * (frauds + 1) / 2) / (frauds * others))


def average_precision(fraud, score):
    """Precision, averaged over the thresholds at which recall grows, weighed by how much it grows; equal scores are one threshold."""
    if not np.any(fraud):
        raise ValueError("average precision needs frauds")
    order = np.argsort(-score, kind="stable")
    score, found = score[order], np.cumsum(fraud[order])
    last_of_equals = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    found = found[last_of_equals]
    precision = found / (last_of_equals + 1)
    return float(np.sum(precision * np.diff(np.append(0, found))) / found[-1])


def card_precision(day, customer, fraud, score, cards=100):
    """Of the `cards` customers with the highest score of a day, the share that has a fraud on it; the mean over days. Customers found
    so are out of it on later days; of equal scores the lower number comes first."""
    detected, shares = np.zeros(int(customer.max()) + 1, dtype=bool), []
    for each in np.unique(day):
        rows = np.flatnonzero((day == each) & ~detected[customer])
        customers, which = np.unique(customer[rows], return_inverse=True)
        highest, has_fraud = np.full(len(customers), -np.inf), np.zeros(len(customers), dtype=bool)
        np.maximum.at(highest, which, score[rows])
        np.logical_or.at(has_fraud, which, fraud[rows])
        top = np.argsort(-highest, kind="stable")[:cards]
        found = top[has_fraud[top]]
        detected[customers[found]] = True
        shares.append(len(found) / cards)
    return float(np.mean(shares))


@dataclasses.dataclass(frozen=True)
class Grades:
    """Figures of a test."""

    transactions: int
    frauds: int
    auc: float
    average_precision: float
    card_precision: float


def grade(day, customer, fraud, score, cards=100):
    """All figures of what is graded."""
    return Grades(
        transactions=len(day),
        frauds=int(np.sum(fraud)),
        auc=auc(fraud, score),
        average_precision=average_precision(fraud, score),
        card_precision=card_precision(day, customer, fraud, score, cards),
    )


@dataclasses.dataclass(frozen=True)
class AtThreshold:
    """What a threshold comes to; alerts are transactions with at least its score."""

    threshold: float
    alerts_per_day: float
    cards_per_day: float
    precision: float
    recall: float
    false_positive_rate: float


def at_thresholds(day, customer, fraud, score, thresholds):
    """A table of thresholds. Precision without alerts is NaN."""
    days, table = len(np.unique(day)), []
    for threshold in thresholds:
        alert = score >= threshold
        alerts, caught = int(np.sum(alert)), int(np.sum(alert & fraud))
        cards = len(np.unique(np.stack([day[alert], customer[alert]]), axis=1).T)
        precision = caught / alerts if alerts else np.nan
        false_positives = (alerts - caught) / max(int(np.sum(~fraud)), 1)
        table.append(AtThreshold(float(threshold), alerts / days, cards / days, precision, caught / int(np.sum(fraud)), false_positives))
    return table


def threshold_for(score, alerts):
    """A threshold at which at most this many of the scores, and as many as equal scores allow, are alerts. It has as few digits as
    that takes."""
    highest_first = -np.sort(-score)
    if alerts >= len(score):
        return 0.0
    # The highest that must be no alert, and the lowest above it.
    below = highest_first[alerts]
    above = highest_first[highest_first > below]
    if not len(above):
        return 1.0
    for digits in range(2, 17):
        rounded = round((below + above[-1]) / 2, digits)
        if below < rounded <= above[-1]:
            return float(rounded)
    return float(above[-1])
