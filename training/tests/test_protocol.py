"""The protocol against cases worked out by hand, and its figures against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from training.protocol import Periods, at_thresholds, auc, average_precision, card_precision, threshold_for


def array(*values):
    return np.array(values)


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_those_of_scikit_learn_with_equal_scores_too(seed):
    rng = np.random.default_rng(seed)
    fraud = rng.random(500) < rng.uniform(0.01, 0.5)
    fraud[0], fraud[1] = True, False
    score = np.round(rng.random(500) + 0.3 * fraud, int(rng.integers(0, 6)))
    assert auc(fraud, score) == pytest.approx(metrics.roc_auc_score(fraud, score), abs=1e-12)
    assert average_precision(fraud, score) == pytest.approx(metrics.average_precision_score(fraud, score), abs=1e-12)


def test_figures_by_hand():
    fraud, score = array(True, False, True, False), array(0.9, 0.8, 0.7, 0.1)
    # Of four pairs of a fraud and another, three are in order.
    assert auc(fraud, score) == 0.75
    # One of one, then two of three.
    assert average_precision(fraud, score) == pytest.approx((1 + 2 / 3) / 2)
    # All scores equal: one threshold, and no order.
    assert auc(fraud, np.zeros(4)) == 0.5
    assert average_precision(fraud, np.zeros(4)) == 0.5


def test_figures_of_one_kind_alone_are_refused():
    with pytest.raises(ValueError, match="needs frauds"):
        average_precision(np.zeros(3, dtype=bool), np.zeros(3))
    with pytest.raises(ValueError, match="both"):
        auc(np.ones(3, dtype=bool), np.zeros(3))


def test_a_card_counts_by_its_highest_score_and_is_out_once_it_is_found():
    day = array(1, 1, 1, 1, 2, 2, 2)
    customer = array(0, 0, 1, 2, 0, 1, 2)
    fraud = array(True, False, False, False, True, False, True)
    score = array(0.1, 0.9, 0.8, 0.2, 0.99, 0.5, 0.4)
    # Day 1: cards 0 and 1 are looked at, 0 has a fraud. Day 2: 0 is out, 1 and 2 are looked at, 2 has a fraud.
    assert card_precision(day, customer, fraud, score, cards=2) == 0.5
    # One card a day: 0, then 1, since 0 is out.
    assert card_precision(day, customer, fraud, score, cards=1) == 0.5
    # More places than cards are places without a find.
    assert card_precision(day, customer, fraud, score, cards=10) == pytest.approx(0.1)


def test_of_cards_with_equal_scores_the_lower_number_comes_first():
    fraud = array(False, True)
    assert card_precision(array(1, 1), array(3, 2), fraud[::-1], array(0.5, 0.5), cards=1) == 0.0
    assert card_precision(array(1, 1), array(3, 2), fraud, array(0.5, 0.5), cards=1) == 1.0


def test_days_follow_one_another():
    periods = Periods(100)
    assert (periods.delay_from, periods.test_from, periods.end) == (107, 114, 121)
    day = np.arange(95, 125)
    assert day[periods.in_training(day)].tolist() == list(range(100, 107))
    nobody, honest = np.arange(len(day)), np.zeros(len(day), dtype=bool)
    assert day[periods.in_delay(day, nobody, honest)].tolist() == list(range(107, 114))
    assert day[periods.in_test(day, nobody, honest)].tolist() == list(range(114, 121))


def test_a_customer_is_not_graded_from_the_day_on_that_begins_with_its_fraud_known():
    periods = Periods(100)
    # Customer 0: fraud on day 109, known after seven whole days, when day 117 begins. 1: fraud before all. 2: in the training.
    fraud_day, days = array(109, 99, 103), np.arange(114, 121)
    day = np.concatenate([fraud_day, np.repeat(days, 3)])
    customer = np.concatenate([[0, 1, 2], np.tile([0, 1, 2], 7)])
    fraud = np.concatenate([[True] * 3, [False] * 21])
    graded = periods.in_test(day, customer, fraud)
    assert day[graded & (customer == 0)].tolist() == [114, 115, 116]
    assert day[graded & (customer == 1)].tolist() == days.tolist()
    assert day[graded & (customer == 2)].tolist() == []


def test_thresholds_by_hand():
    day, customer = array(1, 1, 1, 2, 2), array(0, 0, 1, 0, 1)
    fraud, score = array(True, True, False, False, False), array(0.9, 0.8, 0.7, 0.6, 0.1)
    half, high = at_thresholds(day, customer, fraud, score, [0.7, 0.95])
    assert (half.alerts_per_day, half.cards_per_day) == (1.5, 1.0)
    assert (half.precision, half.recall, half.false_positive_rate) == (2 / 3, 1.0, 1 / 3)
    assert (high.alerts_per_day, high.recall) == (0.0, 0.0) and np.isnan(high.precision)


def test_a_threshold_keeps_to_the_budget_and_has_few_digits():
    score = array(0.1, 0.2, 0.3, 0.4, 0.9)
    assert threshold_for(score, 1) == 0.65
    assert threshold_for(score, 4) == 0.15
    assert threshold_for(score, 5) == 0.0
    assert np.sum(score >= threshold_for(score, 0)) == 0
    # Of three equal ones, two can't be alerts.
    assert np.sum(array(0.5, 0.5, 0.5, 0.7) >= threshold_for(array(0.5, 0.5, 0.5, 0.7), 3)) == 1
    close = array(0.12345678, 0.12345679)
    assert np.sum(close >= threshold_for(close, 1)) == 1
