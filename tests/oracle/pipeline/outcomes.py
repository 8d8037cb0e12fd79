"""What must become of each record of a journal, by the rules alone, beside what became of it."""

import array
import hashlib
import zlib

import numpy

import books as client_books
from exact import divide_half_even
from log import INVALID, murmur2_partition
from windows import HOUR, Quick, Transaction

AHEAD_MAX_MS = 24 * HOUR
CURRENCIES_NOBODY_KNOWS = {"XYZ"}
# What a client is told that waited in vain: source, decision, score.
DEFAULT = ("default", "review", 0.5)
UNDECODED = {"not_wire_format", "unknown_schema", "bad_datum"}


class Journal:
    """One journal: its owner's field, its derived topic, and what must stand there."""

    def __init__(self, topic, derived, owner, inner, expect):
        self.topic, self.derived, self.owner, self.inner, self.expect = topic, derived, owner, inner, expect

    def content(self, event):
        if self.topic == "transactions":
            return event["currency"], (event["amount"],), event["occurred_at"]
        amounts = (event["total_amount"], event["nds_amount"], event["tips_amount"], len(event["items"]))
        return event["currency"], amounts, None


def expect_score(states, offset, event):
    """The windows of a transaction, from those of its customer that came before."""
    customer, at = event["customer_id"], event["occurred_at"]
    state = states.get(customer)
    if state is None:
        state = states[customer] = Quick()
    exact, windows = state.windows(Transaction(offset, customer, event["transaction_id"], at, event["amount"], event["currency"], None))
    expected = {}
    for hours, (count, mean) in windows.items():
        expected[f"customer_transaction_count_{hours}h"] = count
        expected[f"customer_avg_amount_{hours}h"] = mean
    return {"windows": expected, "window_exact": exact}


def expect_purchase(_states, _offset, event):
    """A receipt's lines and sums."""
    lines = []
    for number, item in enumerate(event["items"], 1):
        amount = divide_half_even(item["quantity"] * item["price"], 10**6)
        lines.append({"line": number, "product_id": item["product_id"], "category": item["category"],
                      "nds_rate": item.get("nds_rate"), "quantity": item["quantity"], "price": item["price"], "amount": amount})
    total, items_total = event["total_amount"], sum(line["amount"] for line in lines)
    kind = "purchase" if total > 0 else "return" if total < 0 else "zero"
    return {"lines": lines, "kind": kind, "items_total": items_total, "items_difference": items_total - total,
            "net_amount": total - event["nds_amount"]}


JOURNALS = [
    Journal("transactions", "transaction-scores", "customer_id", "transaction", expect_score),
    Journal("receipts", "purchases", "place_id", "receipt", expect_purchase),
]


def broken_rule(journal, record, event, partitions):
    """The code of the first rule that a record breaks, of those that the clients break; None for a good one."""
    if event is INVALID:
        return "undecodable"
    owner = event[journal.owner].encode()
    if record.key is None:
        return "null_key"
    if record.key != owner:
        return "key_mismatch"
    if murmur2_partition(owner, partitions) != record.partition:
        return "wrong_partition"
    if event["currency"] in CURRENCIES_NOBODY_KNOWS:
        return "unknown_currency"
    if event["occurred_at"] > record.timestamp + AHEAD_MAX_MS:
        return "timestamp_in_future"
    return None


class Source:
    """A derived topic's records of one journal partition, in the order of their sources; second copies are found, and dropped."""

    def __init__(self, log, topic, journal, partition, position, findings):
        self.events, self.topic, self.journal, self.partition = log.events(topic, partition), topic, journal, partition
        self.position, self.last = position, -1
        self.twice = findings.check("no outcome is written twice")
        self.header = findings.check("derived records name their source")
        self.order = findings.check("derived records stand in the order of their sources, in their partition")
        self.extra = findings.check("no outcome is without a record")
        self.head = self.next()

    def next(self):
        for record, event in self.events:
            position = self.position(event)
            if position is None or position[0] != self.journal.topic:
                continue
            where = f"{self.topic}/{self.partition}/{record.offset} of {position}"
            headers = dict(record.headers)
            if headers.get("source", b"").decode() != "/".join(map(str, position)):
                self.header(f"{where}: header {headers.get('source')}")
            if position[1] != self.partition:
                self.order(f"{where} is in another partition")
            offset = position[2]
            if "repair" in headers:
                self.order(f"{where} is a repair")
            elif offset == self.last:
                self.twice(where)
                continue
            elif offset < self.last:
                self.twice(f"{where}, after one of {self.last}")
                continue
            self.last = offset
            return offset, record, event
        return None

    def take(self, offset):
        """The record derived from this offset, if there is one; those of offsets before it are of no record."""
        while self.head is not None and self.head[0] < offset:
            self.extra(f"{self.topic}/{self.partition}/{self.head[1].offset} is derived from offset {self.head[0]}")
            self.head = self.next()
        if self.head is None or self.head[0] != offset:
            return None
        head, self.head = self.head, self.next()
        return head[1:]


def source_of(event):
    source = event["source"]
    return source["topic"], source["partition"], source["offset"], source["index"]


def source_of_letter(event):
    if event["source_topic"] is None:
        return None
    return event["source_topic"], event["source_partition"], event["source_offset"], 0


class Outcomes:
    """Follows a journal partition and everything derived from it, and compares."""

    def __init__(self, log, books, findings, counts, sums):
        self.log, self.books, self.findings, self.counts, self.sums = log, books, findings, counts, sums
        self.lost = findings.check("what was acknowledged is in the log, there")
        self.invented = findings.check("nobody but the clients wrote onto the journals")
        self.one = findings.check("every record has one outcome")
        self.right = findings.check("the outcome is the one that the rules give")
        self.content = findings.check("a derived record holds its input, and what is computed from it")
        self.told = findings.check("who waited was told what the log says, or the default")
        self.reordered = findings.check("an owner's items are taken in the order they were sent")

    def follow(self, journal, partition, partitions, on_output):
        """`on_output` is given every derived record that a reader takes, with its event."""
        log, findings = self.log, self.findings
        outputs = Source(log, journal.derived, journal, partition, source_of, findings)
        duplicates = Source(log, "duplicates", journal, partition, source_of, findings)
        letters = Source(log, "dead-letters", journal, partition, source_of_letter, findings)
        firsts, states = {}, {}
        written = Written()
        for record in log.read(journal.topic, partition):
            event = log.decode(record.value)
            code = broken_rule(journal, record, event, partitions)
            got = [outputs.take(record.offset), duplicates.take(record.offset), letters.take(record.offset)]
            if sum(each is not None for each in got) != 1:
                names = [name for name, each in zip(("output", "duplicate", "dead letter"), got) if each]
                self.one(f"{journal.topic}/{partition}/{record.offset} has {names or 'none'}")
            output, duplicate, letter = got
            self.counts[f"{journal.topic} records"] += 1
            if code is not None:
                written.add(record.offset, bad_content(record), None)
                self.expect_letter(journal, record, code, letter)
                continue
            currency, amounts, at = journal.content(event)
            owner, business_id = event[journal.owner], event["transaction_id"]
            content = client_books.fingerprint(owner, business_id, currency, amounts, at)
            first = firsts.setdefault((owner, business_id), (record.offset, content))
            is_first = first[0] == record.offset
            written.add(record.offset, content, zlib.crc32(owner.encode()) if is_first else None)
            if is_first:
                self.counts[f"{journal.topic} in effect"] += 1
                self.sums[f"{journal.topic} in the log"][currency] += amounts[0]
                expected = journal.expect(states, record.offset, event)
                if output is None:
                    self.right(f"{journal.topic}/{partition}/{record.offset} is the first of its id and has no output")
                else:
                    self.compare(journal, record, event, expected, *output)
                    if content in self.books.told:
                        self.compare_told(journal, record, self.books.told[content], output[1])
            elif first[1] == content:
                self.counts[f"{journal.topic} again"] += 1
                if duplicate is None or duplicate[1]["first_offset"] != first[0]:
                    self.right(f"{journal.topic}/{partition}/{record.offset} repeats {first[0]}: {duplicate and duplicate[1]}")
            else:
                self.counts[f"{journal.topic} in conflict"] += 1
                self.expect_letter(journal, record, "conflict", letter)
            if output is not None:
                on_output(*output)
        for stream in (outputs, duplicates, letters):
            stream.take(1 << 62)
        self.compare_books(journal, partition, written)

    def expect_letter(self, journal, record, code, letter):
        if code != "conflict":
            self.counts[f"{journal.topic} refused: {code}"] += 1
        said = letter and letter[1]["code"]
        if not (said == code or code == "undecodable" and said in UNDECODED):
            self.right(f"{journal.topic}/{record.partition}/{record.offset} is {code} but its dead letter says {said}")

    def compare(self, journal, record, event, expected, derived, output):
        where = f"{journal.derived}/{record.partition}/{derived.offset} of {record.offset}"
        if derived.key != record.key or output[journal.inner] != event:
            self.content(f"{where}: the input is {event} and in the output {output[journal.inner]}")
        for name, value in expected.items():
            if output[name] != value:
                self.content(f"{where}: {name} is {output[name]} and must be {value}")

    def compare_told(self, journal, record, told, output):
        """What a client heard that waited, against the score in the log."""
        is_default = told[0] == "default"
        self.counts["clients that waited and were told the " + ("default" if is_default else "score")] += 1
        right = DEFAULT if is_default else tuple(output[name] for name in ("decision_source", "decision", "scoring"))
        if told != right:
            self.told(f"{journal.topic}/{record.partition}/{record.offset}: {told}, and it is {right}")

    def compare_books(self, journal, partition, written):
        """The journal partition against what clients were told, and what they sent."""
        offsets, contents = written.arrays()
        told = self.books.acknowledged[journal.topic][partition]
        self.counts[f"{journal.topic} acknowledgements"] += len(told.offsets)
        where, items = numpy.frombuffer(told.offsets, dtype=numpy.int64), numpy.frombuffer(told.items, dtype=numpy.int64)
        expected = numpy.frombuffer(self.books.content, dtype=numpy.int64)[items] if len(items) else items
        index = numpy.searchsorted(offsets, where).clip(0, max(len(offsets) - 1, 0))
        if len(where):
            there = offsets[index] == where if len(offsets) else numpy.zeros(len(where), dtype=bool)
            same = contents[index] == expected if len(offsets) else there
            for lost in numpy.flatnonzero(~(there & same)):
                state = "is not in the log" if not there[lost] else "is another record"
                self.lost(f"item {items[lost]} was acknowledged at {journal.topic}/{partition}/{where[lost]}, which {state}")
        for stranger in numpy.flatnonzero(~self.books.knows(journal.topic, contents)):
            self.invented(f"{journal.topic}/{partition}/{offsets[stranger]}")
        self.compare_order(journal, partition, written)

    def compare_order(self, journal, partition, written):
        owners, firsts = numpy.frombuffer(written.owners, dtype=numpy.int64), numpy.frombuffer(written.firsts, dtype=numpy.int64)
        if not len(owners):
            return
        batches = self.books.batch_of(firsts)
        order = numpy.argsort(owners, kind="stable")
        owners, batches = owners[order], batches[order]
        for early in numpy.flatnonzero((numpy.diff(owners) == 0) & (numpy.diff(batches) < 0)):
            self.reordered(f"{journal.topic}/{partition}: one of batch {batches[early + 1]} comes after one of {batches[early]}")


def bad_content(record):
    return client_books.fingerprint_of_bytes(hashlib.blake2b(record.value or b"", digest_size=8).hexdigest())


class Written:
    """A journal partition in arrays: offsets and contents, and owners and contents of the first records of ids."""

    def __init__(self):
        self.offsets, self.contents, self.owners, self.firsts = (array.array("q") for _ in range(4))

    def add(self, offset, content, owner):
        self.offsets.append(offset)
        self.contents.append(content)
        if owner is not None:
            self.owners.append(owner)
            self.firsts.append(content)

    def arrays(self):
        return numpy.frombuffer(self.offsets, dtype=numpy.int64), numpy.frombuffer(self.contents, dtype=numpy.int64)
