"""The simulator keeps to its description, and writes what Millrace takes."""

import datetime
import io
import json

import numpy as np
import pytest

from training.simulate import Settings, epoch_ms, simulate
from training.stream import DAY_MS, decimal, read, ten_thousandths, write_labels, write_transactions

SMALL = Settings(seed=3, customers=200, terminals=800, days=40, radius=8, scenarios=(1, 2, 3, 4))


@pytest.fixture(scope="module")
def small():
    return simulate(SMALL)


def lines(stream):
    transactions, labels = io.StringIO(), io.StringIO()
    write_transactions(stream, transactions)
    write_labels(stream, labels)
    return transactions.getvalue(), labels.getvalue()


def test_the_same_seed_gives_the_same_bytes_and_another_others(small):
    assert lines(simulate(SMALL)) == lines(small)
    assert lines(simulate(Settings(**(vars(SMALL) | {"seed": 4}))))[0] != lines(small)[0]


def test_a_stream_is_in_the_order_of_time_within_its_days(small):
    assert np.all(np.diff(small.at) >= 0)
    assert small.at[0] >= epoch_ms(SMALL.first_day) and small.at[-1] < epoch_ms(SMALL.first_day) + SMALL.days * DAY_MS
    assert len(set(small.transaction_id)) == len(small)


def test_customers_pay_nearby_about_as_often_and_as_much_as_they_should(small):
    quiet = simulate(Settings(**(vars(SMALL) | {"scenarios": ()})))
    assert not quiet.fraud.any()
    per_customer = np.bincount(quiet.customer.codes, minlength=200) / SMALL.days
    # Rates are uniform from 0 to 4; 3 % of the times fall outside the day.
    assert per_customer.mean() == pytest.approx(2 * 0.97, rel=0.15) and per_customer.max() < 6
    means = [quiet.amount[quiet.customer.codes == each].mean() / 10_000 for each in range(200) if per_customer[each] > 1]
    assert min(means) > 4 and max(means) < 125
    for customer in range(20):
        rows = quiet.customer.codes == customer
        km = np.ptp(quiet.latitude[rows]) / 0.009
        assert km <= 2 * SMALL.radius + 1e-3


def test_frauds_are_those_of_the_scenarios(small):
    quiet = simulate(Settings(**(vars(SMALL) | {"scenarios": (4,)})))
    amount, before = small.amount, quiet.amount
    assert np.array_equal(small.fraud, small.scenario > 0)
    assert set(np.unique(small.scenario)) == {0, 1, 2, 3, 4}
    own = small.scenario != 4
    # 1: every high amount that no later scenario took.
    assert np.all(amount[small.scenario == 1] > 220_0000)
    assert np.all(small.scenario[own & (before > 220_0000)] > 0)
    # 3: a power of five times the amount, since a card can be taken twice; and nobody else's amount differs.
    ratio = amount[small.scenario == 3] / np.maximum(before[small.scenario == 3], 1)
    assert set(np.round(ratio[before[small.scenario == 3] > 0]).astype(int)) <= {5, 25, 125}
    assert np.array_equal(amount[small.scenario < 2], before[small.scenario < 2])
    # 2: whole terminals for days on end: at a terminal, days with such frauds have no other payments but those of scenario 3.
    day = small.day - small.day.min()
    taken = {(merchant, at) for merchant, at in zip(small.merchant.codes[small.scenario == 2], day[small.scenario == 2], strict=True)}
    there = np.array([key in taken for key in zip(small.merchant.codes, day, strict=True)])
    assert np.all(small.fraud[there & own])
    # 4: bursts from devices of their own.
    assert np.array_equal(small.scenario == 4, small.device.codes >= SMALL.customers)
    sizes = np.bincount(small.device.codes[small.scenario == 4] - SMALL.customers)
    assert len(sizes) == 3 * SMALL.days and sizes.min() >= 9 and sizes.max() <= 21


def test_lines_are_read_back_as_they_were(small):
    transactions, labels = lines(small)
    again = read(transactions.splitlines(), labels.splitlines())
    assert lines(again)[0] == transactions
    for name in ("at", "amount", "fraud", "label_at", "scenario"):
        assert np.array_equal(getattr(again, name), getattr(small, name)), name


def test_lines_have_the_contracts_fields_and_not_what_is_to_be_found_out(small):
    transactions, labels = (text.splitlines() for text in lines(small))
    required = {"customer_id", "transaction_id", "amount", "currency", "type", "merchant_id", "card_bin", "ip_address", "device_id"}
    required |= {"location", "channel", "timestamp"}
    documents = [json.loads(line) for line in transactions]
    assert all(required <= set(each) <= required | {"latitude", "longitude"} for each in documents)
    assert all(each["timestamp"].endswith("Z") and len(each["card_bin"]) == 6 for each in documents)
    told = [json.loads(line) for line in labels]
    assert {each["label"] for each in told} == {"fraud", "legitimate"}
    assert all(set(each) == {"customer_id", "transaction_id", "label", "source", "decided_at", "scenario"} for each in told)
    decided = [datetime.datetime.fromisoformat(each["decided_at"]) for each in told]
    assert decided == sorted(decided)


def test_money_is_exact():
    assert [decimal(each) for each in (0, 100, 109_900, 109_901, 12_345_600)] == ["0.00", "0.01", "10.99", "10.9901", "1234.56"]
    assert [ten_thousandths(text) for text in ("0", "10.99", "10.9901", "5.10000")] == [0, 109_900, 109_901, 51_000]
    for text in ("-1", "1.00001", "1e3", ""):
        with pytest.raises(ValueError):
            ten_thousandths(text)
