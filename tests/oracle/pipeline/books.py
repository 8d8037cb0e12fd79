"""The clients' books: what was sent, and what was answered. See tests/src/load/books.rs for the lines.

Held as arrays, some 40 bytes an item, since there may be ten million of them."""

import array
import collections

import numpy

TOPICS = {"t": "transactions", "r": "receipts"}
CLASSES = ["new", "again", "conflict", "invalid", "bad"]


def fingerprint(owner, business_id, currency, amounts, at):
    """Stands for an item's content, in this run of the program."""
    return hash((owner, business_id, currency, amounts, at))


def fingerprint_of_bytes(digest):
    return hash(("bad", digest))


class Books:
    """All books together, their items numbered through."""

    def __init__(self, paths, findings):
        self.content, self.batch = array.array("q"), array.array("q")
        self.kind, self.classes = bytearray(), bytearray()
        self.acknowledged = {"transactions": collections.defaultdict(Acknowledged), "receipts": collections.defaultdict(Acknowledged)}
        self.order = self.sorted = None
        self.settled, self.sums, self.statuses = bytearray(), collections.defaultdict(collections.Counter), collections.Counter()
        self.told = {}
        self.unexpected = findings.check("clients are answered as they should be")
        for path in paths:
            self.read(path)
        self.sent = {topic: self.contents_of(kind) for kind, topic in TOPICS.items()}
        open_items = sum(1 for settled in self.settled if not settled)
        if open_items:
            self.unexpected(f"{open_items} items were never answered for good")

    def read(self, path):
        start = len(self.content)
        with open(path, encoding="utf-8") as file:
            for text in file:
                fields = text.rstrip("\n").split("\t")
                if fields[0] == "S":
                    self.enter(start + int(fields[1]), fields)
                    continue
                item = start + int(fields[1])
                if fields[0] == "W":
                    self.told[self.content[item]] = (fields[2], fields[3], float(fields[4]))
                    continue
                self.settled[item] = 1
                self.statuses[fields[2]] += 1
                if fields[0] == "A":
                    topic = TOPICS[chr(self.kind[item])]
                    self.acknowledged[topic][int(fields[3])].add(int(fields[4]), item)
                elif fields[0] == "U":
                    self.unexpected(f"{path}: item {fields[1]}, {CLASSES[self.classes[item]]}, was answered {fields[2]}")

    def enter(self, item, fields):
        _, _, batch, kind, name, owner, business_id, currency, amounts, at = fields
        # Clients that send at the same time may enter their items after later ones.
        while len(self.content) <= item:
            for column in (self.content, self.batch, self.kind, self.classes, self.settled):
                column.append(0)
        amounts = tuple(map(int, amounts.split(",")))
        at = None if at == "-" else int(at)
        bad = name == "bad"
        self.content[item] = fingerprint_of_bytes(business_id) if bad else fingerprint(owner, business_id, currency, amounts, at)
        self.batch[item] = int(batch)
        self.kind[item] = ord(kind)
        self.classes[item] = CLASSES.index(name)
        if name == "new":
            self.sums[TOPICS[kind]][currency] += amounts[0]
            self.statuses[f"new {TOPICS[kind]}"] += 1

    def contents_of(self, kind):
        """Sorted fingerprints of everything that may stand in a journal."""
        kinds = numpy.frombuffer(self.kind, dtype=numpy.uint8) == ord(kind)
        stored = numpy.frombuffer(self.classes, dtype=numpy.uint8) != CLASSES.index("invalid")
        return numpy.unique(numpy.frombuffer(self.content, dtype=numpy.int64)[kinds & stored])

    def batch_of(self, contents):
        """The batch in which each of these new items was sent; 0 for what is not known."""
        if self.order is None:
            content = numpy.frombuffer(self.content, dtype=numpy.int64)
            self.order = numpy.argsort(content, kind="stable")
            self.sorted = content[self.order]
        index = numpy.searchsorted(self.sorted, contents).clip(0, max(len(self.sorted) - 1, 0))
        batches = numpy.frombuffer(self.batch, dtype=numpy.int64)[self.order[index]]
        return numpy.where(self.sorted[index] == contents, batches, 0)

    def knows(self, topic, content):
        """Whether each of these contents was sent."""
        known = self.sent[topic]
        if not len(known):
            return numpy.zeros(len(content), dtype=bool)
        index = numpy.searchsorted(known, content).clip(0, len(known) - 1)
        return known[index] == content


class Acknowledged:
    """What was acknowledged of one partition: offsets and items."""

    def __init__(self):
        self.offsets, self.items = array.array("q"), array.array("q")

    def add(self, offset, item):
        self.offsets.append(offset)
        self.items.append(item)
