#!/usr/bin/env python3
"""Tests of `pipeline`: in a small world where everything is right it finds nothing; each thing that is wrong it finds, by its name."""

import collections
import hashlib
import pathlib
import re
import sys
import tempfile
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "pipeline")]

try:
    import outcomes
    import tables
    from books import Books, fingerprint_of_bytes
    from findings import Findings
    from log import INVALID, Record, murmur2_partition
    from outcomes import JOURNALS, Outcomes
    from rollups import ROLLUPS, Rollups
except ImportError as missing:
    raise unittest.SkipTest(f"needs the packages of deploy/local/requirements.txt: {missing}") from missing

AT = 1_772_323_200_000
JOURNAL = JOURNALS[0]


def transaction(business_id, amount, currency="EUR"):
    return {"event_id": f"e-{business_id}-{amount}", "customer_id": "c", "transaction_id": business_id, "amount": amount,
            "currency": currency, "occurred_at": AT}


def record(offset, event, key=b"c", headers=()):
    return Record(0, offset, key, event, list(headers), AT)


def digest(of):
    """The events of this world have no bytes; what stands for them is their text."""
    return hashlib.blake2b(repr(of.value).encode(), digest_size=8).hexdigest()


def source(offset):
    return {"topic": "transactions", "partition": 0, "offset": offset, "index": 0}


class World:
    """A partition of transactions with everything that follows from it: two transactions, a repeat, a conflict, and one that breaks
    a rule. Topics hold events undecoded; tables are lists of rows."""

    def __init__(self):
        events = [transaction("t1", 100), transaction("t1", 100), transaction("t1", 200), transaction("t2", 300)]
        self.journal = [record(offset, event) for offset, event in enumerate(events)]
        self.journal.append(record(4, transaction("t3", 5, "XYZ")))
        self.scores = [self.score(0, 0, 1, 100), self.score(1, 3, 2, 200)]
        self.duplicates = [self.derived(0, 1, {"first_offset": 0})]
        self.letters = [self.letter(0, 2, "conflict"), self.letter(1, 4, "unknown_currency")]
        self.books = ["S\t0\t0\tt\tnew\tc\tt1\tEUR\t100\t%d" % AT, "S\t1\t1\tt\tagain\tc\tt1\tEUR\t100\t%d" % AT,
                      "S\t3\t2\tt\tnew\tc\tt2\tEUR\t300\t%d" % AT, "S\t2\t1\tt\tconflict\tc\tt1\tEUR\t200\t%d" % AT,
                      "S\t4\t2\tt\tbad\t-\t%s\t-\t0\t-" % self.digest(4)]
        self.books += ["A\t%d\taccepted\t0\t%d" % (number, number) for number in range(5)]
        self.books += ["W\t0\trules\tallow\t0.25", "W\t3\tdefault\treview\t0.5"]
        self.tables = None

    def digest(self, offset):
        return digest(self.journal[offset])

    def derived(self, offset, of, event):
        header = ("source", f"transactions/0/{of}/0".encode())
        return record(offset, {"source": source(of)} | event, headers=[header])

    def score(self, offset, of, count, mean):
        windows = {f"customer_transaction_count_{h}h": count for h in (3, 6, 12, 24)}
        windows |= {f"customer_avg_amount_{h}h": mean for h in (3, 6, 12, 24)}
        inner = self.journal[of].value
        return self.derived(offset, of, {
            "event_id": f"s{of}", "occurred_at": AT, "transaction": inner, "windows": windows, "window_exact": True, "scoring": 0.25,
            "decision": "allow", "decision_source": "rules",
        })

    def letter(self, offset, of, code):
        event = {"source_topic": "transactions", "source_partition": 0, "source_offset": of, "code": code}
        return record(offset, event, headers=[("source", f"transactions/0/{of}/0".encode())])

    # What the oracle asks of a log.
    def read(self, topic, _partition):
        kept = {"transactions": self.journal, "transaction-scores": self.scores, "duplicates": self.duplicates, "dead-letters": self.letters}
        yield from kept[topic]

    def events(self, topic, partition):
        for each in self.read(topic, partition):
            yield each, each.value

    def decode(self, value):
        return value if isinstance(value, dict) else INVALID

    # What it asks of ClickHouse.
    def query(self, sql):
        rows = self.tables[re.search(r"FROM (\w+)", sql)[1]]
        return collections.namedtuple("Result", "result_columns")(list(zip(*rows)))

    def fill_tables(self):
        self.tables, rollups = collections.defaultdict(list), Rollups()
        for each in self.scores:
            for table, row in tables.score_rows(each.value):
                self.tables[table].append((each.offset, *row))
            rollups.add("transaction-scores", each.value)
        for name in ROLLUPS:
            self.tables[name] = [(*key, *row) for key, row in rollups.sums[name].items()]

    def failed(self):
        if self.tables is None:
            self.fill_tables()
        findings, rollups = Findings(), Rollups()
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
            file.write("\n".join(self.books) + "\n")
            file.flush()
            books = Books([file.name], findings)
        followed = Outcomes(self, books, findings, collections.Counter(), collections.defaultdict(collections.Counter))
        rows = tables.Partition(self, JOURNAL.derived, 0, findings, collections.Counter())

        def on_output(taken, event):
            rows.add(taken, event)
            rollups.add(JOURNAL.derived, event)

        followed.follow(JOURNAL, 0, 1, on_output)
        rows.close()
        rollups.compare(self, findings, collections.Counter())
        return sorted(name for name, check in findings.report().items() if check["findings"])


class Pipeline(unittest.TestCase):
    def setUp(self):
        patched = unittest.mock.patch.object(outcomes, "bad_content", lambda of: fingerprint_of_bytes(digest(of)))
        patched.start()
        self.addCleanup(patched.stop)

    def assert_found(self, world, *names):
        self.assertEqual(world.failed(), sorted(names))

    def test_nothing_is_found_where_everything_is_right(self):
        self.assert_found(World())

    def test_an_acknowledged_record_that_is_lost_is_found(self):
        world = World()
        del world.journal[3], world.scores[1]
        self.assert_found(world, "what was acknowledged is in the log, there")

    def test_another_score_than_the_logs_told_to_who_waited_is_found(self):
        for line in ("W\t0\trules\tallow\t0.250001", "W\t0\trules\treview\t0.25", "W\t0\tmodel\tallow\t0.25", "W\t0\tdefault\treview\t0.25"):
            with self.subTest(line):
                world = World()
                world.books.append(line)
                self.assert_found(world, "who waited was told what the log says, or the default")

    def test_an_acknowledgement_of_another_record_is_found(self):
        world = World()
        world.books[5] = "A\t0\taccepted\t0\t3"
        self.assert_found(world, "what was acknowledged is in the log, there")

    def test_an_item_that_is_never_answered_and_one_answered_wrongly_are_found(self):
        for line in (None, "U\t0\tconflict"):
            world = World()
            world.books[5:6] = [line] if line else []
            self.assert_found(world, "clients are answered as they should be")

    def test_a_record_that_nobody_sent_is_found(self):
        world = World()
        world.journal.append(record(5, transaction("t9", 900)))
        world.scores.append(world.score(2, 5, 3, 433))
        self.assert_found(world, "nobody but the clients wrote onto the journals", "an owner's items are taken in the order they were sent")

    def test_a_missing_outcome_is_found(self):
        world = World()
        del world.scores[1]
        self.assert_found(world, "every record has one outcome", "the outcome is the one that the rules give")

    def test_an_outcome_that_is_written_twice_is_found(self):
        world = World()
        world.fill_tables()
        world.scores.append(world.score(2, 3, 2, 200))
        self.assert_found(world, "no outcome is written twice")

    def test_an_outcome_of_no_record_is_found(self):
        world = World()
        world.duplicates.append(world.derived(1, 9, {"first_offset": 0}))
        self.assert_found(world, "no outcome is without a record")

    def test_a_duplicate_that_takes_effect_is_found(self):
        world = World()
        world.duplicates.clear()
        world.scores.insert(1, world.score(5, 1, 2, 100))
        self.assert_found(world, "the outcome is the one that the rules give")

    def test_a_wrong_window_is_found(self):
        world = World()
        world.scores[1].value["windows"]["customer_avg_amount_6h"] += 1
        self.assert_found(world, "a derived record holds its input, and what is computed from it")

    def test_a_wrong_code_is_found(self):
        world = World()
        world.letters[1].value["code"] = "negative_amount"
        self.assert_found(world, "the outcome is the one that the rules give")

    def test_a_source_that_the_header_does_not_name_is_found(self):
        world = World()
        world.scores[0] = world.scores[0]._replace(headers=[])
        self.assert_found(world, "derived records name their source")

    def test_items_in_another_order_than_they_were_sent_are_found(self):
        world = World()
        world.books[0] = world.books[0].replace("S\t0\t0\t", "S\t0\t7\t")
        self.assert_found(world, "an owner's items are taken in the order they were sent")

    def test_a_missing_a_doubled_and_a_changed_row_are_found(self):
        for what, change in [("= log", lambda rows: rows.pop()), ("holds nothing twice", lambda rows: rows.append(rows[-1])),
                             ("= log", lambda rows: rows.append((*rows.pop()[:-1], None)))]:
            for table in ("transactions", "transaction_scores"):
                world = World()
                world.fill_tables()
                change(world.tables[table])
                self.assert_found(world, f"{table} {what}")

    def test_a_rollup_that_counts_twice_is_found(self):
        world = World()
        world.fill_tables()
        row = world.tables["transaction_stats_1m"][0]
        world.tables["transaction_stats_1m"][0] = (*row[:2], row[2] + 1, *row[3:])
        self.assert_found(world, "transaction_stats_1m = log")

    def test_keys_are_partitioned_as_kafka_does(self):
        self.assertEqual([murmur2_partition(key, 1 << 31) for key in (b"21", b"foobar")],
                         [-973_932_308 & 0x7FFFFFFF, -790_332_482 & 0x7FFFFFFF])


if __name__ == "__main__":
    unittest.main()
