"""Writes onto the journals with the official client, at a steady pace, until its standard input ends: transactions and receipts,
some of them again, some with other content, some that break a rule of the journal. What fails is written again.

    direct.py BROKERS REGISTRY PREFIX RATE SEED BOOKS

Keeps books like the clients over HTTP (tests/src/load/books.rs). A record that breaks a rule is entered with the class `bad` and the
digest of its value as its id. Ends well when everything is acknowledged.
"""

import hashlib
import io
import json
import random
import select
import struct
import sys
import time
import urllib.request

import fastavro
from confluent_kafka import Producer

BASE_MS = 1_772_323_200_000  # 2026-03-01
MINUTE_MS = 60_000
UNITS = 10_000
ACKNOWLEDGED_WITHIN_S = 180


class Schemas:
    def __init__(self, registry, prefix):
        self.prefix, self.registry = prefix, registry
        self.known = {topic: self.latest(topic) for topic in ("transactions", "receipts")}

    def latest(self, topic):
        url = f"{self.registry}/subjects/{self.prefix}{topic}-value/versions/latest"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
            found = json.load(answer)
        schema = json.loads(found["schema"])
        return found["id"], fastavro.parse_schema(without_logical_types(schema))

    def encode(self, topic, event):
        number, schema = self.known[topic]
        out = io.BytesIO()
        out.write(struct.pack(">bI", 0, number))
        fastavro.schemaless_writer(out, schema, event)
        return out.getvalue()


def without_logical_types(schema):
    if isinstance(schema, list):
        return [without_logical_types(each) for each in schema]
    if isinstance(schema, dict):
        return {name: without_logical_types(each) for name, each in schema.items() if name != "logicalType"}
    return schema


class Made:
    """Items made from a seed: each a dictionary with topic, kind, class, key, value and what the books say."""

    def __init__(self, schemas, seed):
        self.schemas, self.draw, self.count, self.recent = schemas, random.Random(seed), 0, []

    def next(self):
        chance = self.draw.random()
        if chance < 0.02 and self.recent:
            return self.draw.choice(self.recent) | {"class": "again"}
        if chance < 0.03 and self.recent:
            return self.conflict(self.draw.choice(self.recent))
        item = self.receipt() if self.draw.random() < 0.2 else self.transaction()
        return self.bad(item) if chance > 0.98 else item

    def acknowledged(self, item):
        if item["class"] == "new":
            self.recent.append(item)
            del self.recent[:-1000]

    def item(self, topic, event, currency, amounts, at):
        owner = event["customer_id"] if topic == "transactions" else event["place_id"]
        return {"topic": topic, "class": "new", "event": event, "key": owner, "value": self.schemas.encode(topic, event),
                "owner": owner, "id": event["transaction_id"], "currency": currency, "amounts": amounts, "at": at}

    def transaction(self, **changed):
        self.count += 1
        at = BASE_MS + (self.count // 40 * 20 + self.draw.randrange(90)) * MINUTE_MS % (240 * 24 * 60 * MINUTE_MS)
        event = {
            "event_id": f"direct-{self.count}", "occurred_at": at, "received_at": at, "customer_id": f"d-{self.count % 40}",
            "transaction_id": f"t{self.count}", "amount": self.draw.randrange(3000 * UNITS), "currency": self.draw.choice(["EUR", "USD"]),
            "type": 55, "merchant_id": f"merchant-{self.count % 9}", "card_bin": "411111", "ip_address": "203.0.113.7",
            "device_id": "device-1", "location": "Berlin", "channel": "pos", "customer_segments": [], "time_resolution": "exact", "extra": {},
        } | changed
        return self.item("transactions", event, event["currency"], [event["amount"]], event["occurred_at"])

    def receipt(self, **changed):
        self.count += 1
        at = BASE_MS + self.count * MINUTE_MS % (240 * 24 * 60 * MINUTE_MS)
        price = self.draw.randrange(1, 100 * UNITS)
        event = {
            "event_id": f"direct-{self.count}", "occurred_at": at, "received_at": at, "place_id": f"stall-{self.count % 5}",
            "transaction_id": f"r{self.count}", "place_name": "Stall", "total_amount": price, "nds_amount": 0, "tips_amount": 0,
            "items": [{"product_id": "apples", "quantity": 1_000_000, "price": price, "category": "fruit", "extra": {}}],
            "currency": "EUR", "payment_method": "cash", "time_resolution": "exact", "extra": {},
        } | changed
        amounts = [event["total_amount"], event["nds_amount"], event["tips_amount"], len(event["items"])]
        return self.item("receipts", event, event["currency"], amounts, "-")

    def conflict(self, old):
        changed = {"amount": old["amounts"][0] + 1} if old["topic"] == "transactions" else {"tips_amount": old["amounts"][2] + 1}
        event = old["event"] | changed
        amounts = list(old["amounts"])
        amounts[0 if old["topic"] == "transactions" else 2] += 1
        return self.item(old["topic"], event, old["currency"], amounts, old["at"]) | {"class": "conflict"}

    def bad(self, item):
        """The item, made so that it breaks one rule of the journal."""
        event, topic = item["event"], item["topic"]
        broken = self.draw.choice(["key", "null_key", "json", "schema", "datum", "rule", "future"])
        if broken == "key":
            item["key"] = "somebody else"
        elif broken == "null_key":
            item["key"] = None
        elif broken == "json":
            item["value"] = json.dumps(event).encode()
        elif broken == "schema":
            item["value"] = struct.pack(">bI", 0, 2_000_000_000) + item["value"][5:]
        elif broken == "datum":
            item["value"] = item["value"][: len(item["value"]) // 2]
        elif broken == "rule":
            item["value"] = self.schemas.encode(topic, event | {"currency": "XYZ"})
        else:
            item["value"] = self.schemas.encode(topic, event | {"occurred_at": round(time.time() * 1000) + 48 * 60 * MINUTE_MS})
        digest = hashlib.blake2b(item["value"], digest_size=8).hexdigest()
        return item | {"class": "bad", "owner": "-", "id": digest, "currency": "-", "amounts": [0], "at": "-"}


class Direct:
    def __init__(self, brokers, prefix, made, books):
        self.brokers, self.prefix, self.made, self.books = brokers, prefix, made, books
        self.producer, self.sent, self.open, self.again = self.connect(), 0, 0, []

    def connect(self):
        return Producer({
            "bootstrap.servers": self.brokers, "partitioner": "murmur2_random", "acks": "all", "enable.idempotence": True,
            "message.timeout.ms": 20_000, "linger.ms": 20, "reconnect.backoff.max.ms": 1_000, "log_level": 2,
        })

    def send(self, item):
        number, self.sent = self.sent, self.sent + 1
        kind = "t" if item["topic"] == "transactions" else "r"
        amounts = ",".join(map(str, item["amounts"]))
        entry = ["S", number, 0, kind, item["class"], item["owner"], item["id"], item["currency"], amounts, item["at"]]
        self.books.write("\t".join(map(str, entry)) + "\n")
        self.open += 1
        self.produce(number, item)

    def produce(self, number, item):
        def delivered(error, message):
            if error:
                self.again.append((number, item))
                return
            self.open -= 1
            self.books.write(f"A\t{number}\taccepted\t{message.partition()}\t{message.offset()}\n")
            self.books.flush()
            self.made.acknowledged(item)

        try:
            self.producer.produce(self.prefix + item["topic"], key=item["key"], value=item["value"], on_delivery=delivered)
        except BufferError:
            self.again.append((number, item))
            self.producer.poll(0.2)

    def serve(self, wait_s):
        """Hears of deliveries, and writes again what failed."""
        self.producer.poll(wait_s)
        if self.again:
            failed, self.again = self.again, []
            # One that has failed for good refuses everything: its successor is a new producer to the broker.
            self.producer.purge()
            self.producer.flush(1)
            failed, self.again = failed + self.again, []
            self.producer = self.connect()
            for number, item in failed:
                self.produce(number, item)


def main():
    brokers, registry, prefix, rate, seed, path = sys.argv[1:]
    with open(path, "w", encoding="utf-8") as books:
        direct = Direct(brokers, prefix, Made(Schemas(registry, prefix), int(seed)), books)
        began = time.monotonic()
        while not select.select([sys.stdin], [], [], 0)[0]:
            due = int((time.monotonic() - began) * int(rate)) - direct.sent
            for _ in range(min(due, 1000) if direct.open < 5000 else 0):
                direct.send(direct.made.next())
            direct.serve(0.02)
        until = time.monotonic() + ACKNOWLEDGED_WITHIN_S
        while direct.open and time.monotonic() < until:
            direct.serve(0.2)
        if direct.open:
            raise SystemExit(f"{direct.open} records are not acknowledged after {ACKNOWLEDGED_WITHIN_S} s")


main()
