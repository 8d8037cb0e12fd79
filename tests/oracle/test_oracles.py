#!/usr/bin/env python3
"""Tests of the oracles themselves: python3 -m unittest discover -s tests/oracle"""

import datetime
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import disorder
import receipts
import windows
from exact import divide_half_even, scaled
from windows import HOUR, Naive, Quick, Transaction, expected


def transaction(position, at_hours, amount=10_000, currency="EUR", id=None, content=None):
    id = id or f"t{position}"
    return Transaction(position, "c", id, int(at_hours * HOUR), amount, currency, content or (at_hours, amount, currency))


def counts(transactions, state=Quick):
    return [[row.get(f"customer_transaction_count_{h}h") for h in windows.WINDOWS] for row in expected(transactions, state)]


class Exact(unittest.TestCase):
    def test_decimals_are_read_exactly(self):
        self.assertEqual([scaled(text, 4) for text in ("10.99", "-0.001", "7", "1.50000")], [109_900, -10, 70_000, 15_000])
        for text in ("", "1e3", "0.00001", "1,5", ".5"):
            with self.assertRaises(ValueError, msg=text):
                scaled(text, 4)

    def test_halves_round_to_even(self):
        self.assertEqual([divide_half_even(n, 10) for n in (-25, -15, -5, 5, 15, 25, 26)], [-2, -2, 0, 0, 2, 2, 3])


class Windows(unittest.TestCase):
    def test_a_window_excludes_its_beginning_and_includes_its_end(self):
        log = [transaction(0, 0), transaction(1, 3), transaction(2, 3), transaction(3, 5.999), transaction(4, 6)]
        for state in (Quick, Naive):
            self.assertEqual([row[0] for row in counts(log, state)], [1, 1, 2, 3, 2])

    def test_counts_span_currencies_and_means_do_not(self):
        log = [transaction(0, 0, 10_000), transaction(1, 1, 99, "USD"), transaction(2, 2, 10_001)]
        row = list(expected(log))[2]
        self.assertEqual((row["customer_transaction_count_3h"], row["customer_avg_amount_3h"]), (3, 10_000))

    def test_duplicates_and_conflicts_take_no_part(self):
        log = [transaction(0, 0, id="a"), transaction(1, 0, id="a"), transaction(2, 90, 5, id="a"), transaction(3, 1)]
        rows = list(expected(log))
        self.assertEqual([row["outcome"] for row in rows], ["scored", "duplicate", "conflict", "scored"])
        self.assertEqual((rows[3]["customer_transaction_count_24h"], rows[3]["window_exact"]), (2, True))

    def test_lateness_is_counted_from_the_largest_time_before(self):
        log = [transaction(position, at) for position, at in enumerate([100, 76, 75.999, 51, 53, 52, 54])]
        for state in (Quick, Naive):
            rows = list(expected(log, state))
            self.assertEqual([row["window_exact"] for row in rows], [True, True, False, False, False, False, False])
            # When 54 comes, 53 is still retained; 51 is not, nor is 52, which lies on the edge.
            self.assertEqual([row["customer_transaction_count_24h"] for row in rows], [1, 1, 1, 1, 1, 1, 2])
        late_but_retained = [transaction(0, 100), transaction(1, 60), transaction(2, 61)]
        self.assertEqual(counts(late_but_retained)[2], [2, 2, 2, 2])

    def test_the_quick_way_equals_the_naive_one(self):
        for seed in range(40):
            draw = random.Random(seed)
            spread = draw.choice([2, 12, 60, 400])
            log = []
            for position in range(250):
                at = position * draw.choice([0.01, 0.5]) + draw.uniform(-spread, spread) // 0.25 * 0.25
                id = f"t{draw.randrange(240)}" if draw.random() < 0.1 else None
                entry = transaction(position, at, draw.randrange(1, 10**6), draw.choice(["EUR", "USD"]), id)
                log.append(entry._replace(customer=draw.choice("ab")))
            self.assertEqual(list(expected(log, Quick)), list(expected(log, Naive)), f"seed {seed}")


class Disorder(unittest.TestCase):
    def setUp(self):
        sample = pathlib.Path(__file__).parents[2] / "data" / "sample" / "transactions-sparkov.ndjson"
        self.lines = sample.read_text(encoding="utf-8").splitlines(keepends=True)

    def rows(self, order, duplicates=0.0, conflicts=0):
        draw = random.Random(1)
        ordered = disorder.ordered(self.lines, order, draw)
        self.assertEqual(sorted(ordered), sorted(self.lines))
        return list(expected(windows.from_contract(disorder.with_repeats(ordered, duplicates, conflicts, draw))))

    def late(self, order):
        return sum(not row["window_exact"] for row in self.rows(order))

    def test_only_a_full_shuffle_makes_transactions_late(self):
        self.assertEqual((self.late("file"), self.late("within")), (0, 0))
        self.assertGreater(self.late("full"), len(self.lines) // 2)
        self.assertNotEqual(self.rows("within"), self.rows("file"))

    def test_repeats_are_duplicates_and_conflicts_and_change_no_window(self):
        rows = self.rows("within", duplicates=0.1, conflicts=20)
        outcomes = [row["outcome"] for row in rows]
        self.assertEqual((outcomes.count("duplicate"), outcomes.count("conflict")), (round(0.1 * len(self.lines)), 20))

        def windows_by_id(rows):
            scored = (row for row in rows if row["outcome"] == "scored")
            return {(row["customer_id"], row["transaction_id"]): row | {"position": None} for row in scored}

        self.assertEqual(windows_by_id(rows), windows_by_id(self.rows("within")))


class Receipts(unittest.TestCase):
    def receipt(self, total, *lines, vat="0", tips="0"):
        money = [scaled(text, 4) for text in (total, vat, tips)]
        return receipts.Receipt("p", "EUR", 0, *money, [receipts.line("c", *line) for line in lines])

    def test_each_rule_has_its_code(self):
        for codes, receipt in [
            ((), self.receipt("27.47", ("2", "10.99"), ("1", "5.49"))),
            ((), self.receipt("-5", ("-1", "5"))),
            ((), self.receipt("0", ("1", "0"))),
            ((), self.receipt("4.12", ("0.375", "10.99"))),
            (("negative_quantity",), self.receipt("0", ("-1", "0"))),
            (("negative_price",), self.receipt("-5", ("1", "-5"))),
            (("total_mismatch",), self.receipt("5.0101", ("1", "5"))),
            (("zero_quantity",), self.receipt("0", ("0", "5"))),
            (("no_items", "total_mismatch"), self.receipt("1")),
            (("vat_out_of_range",), self.receipt("5", ("1", "5"), vat="-1")),
            (("negative_tips",), self.receipt("5", ("1", "5"), tips="-1")),
        ]:
            self.assertEqual(receipts.broken_rules(receipt), set(codes), receipt)

    def test_a_line_is_rounded_half_to_even(self):
        self.assertEqual([receipts.line("c", quantity, "0.0001").amount for quantity in ("0.5", "1.5", "2.5")], [0, 2, 2])

    def test_buckets_begin_on_the_quarter_hour(self):
        self.assertEqual(receipts.bucket(1_291_192_199, "15m"), "2010-12-01T08:15:00Z")
        self.assertEqual(receipts.bucket(1_291_192_199, "1d"), "2010-12-01T00:00:00Z")


class Sample(unittest.TestCase):
    def test_every_receipt_of_the_sample_keeps_the_rules(self):
        sample = pathlib.Path(__file__).parents[2] / "data" / "sample"
        for name, count, returns in [("receipts-online-retail", 137, 24), ("receipts-generated", 300, 11)]:
            zone = datetime.timezone.utc
            added_up = receipts.add_up(receipts.contract_receipts(str(sample / f"{name}.ndjson"), zone, "RUB"))
            self.assertEqual((added_up["accepted"], added_up["refused"]), (count, 0), name)
            self.assertEqual(added_up["accepted_by_kind"]["return"], returns, name)


if __name__ == "__main__":
    unittest.main()
