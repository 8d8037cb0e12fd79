"""Writes records onto a topic with the official client, well-formed and not.

    produce.py BROKERS REGISTRY TOPIC < lines   ->   one line a record: {"partition":, "offset":}

A line is a JSON object: "key" (text or null), and one of "event" (serialized with Avro and the registry's latest schema),
"text" (written as it is), "hex" (bytes) or null; "partition" overrides the partitioner.
"""

import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    brokers, registry, topic = sys.argv[1:]
    client = SchemaRegistryClient({"url": registry})
    schema = client.get_latest_version(f"{topic}-value").schema
    serialize = AvroSerializer(client, schema, conf={"auto.register.schemas": False, "use.latest.version": True})
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "acks": "all", "enable.idempotence": True})
    stored = {}

    def delivered(index):
        def callback(error, message):
            if error:
                raise SystemExit(f"record {index}: {error}")
            stored[index] = {"partition": message.partition(), "offset": message.offset()}
        return callback

    lines = [json.loads(line) for line in sys.stdin if line.strip()]
    for index, line in enumerate(lines):
        if "event" in line:
            value = serialize(line["event"], SerializationContext(topic, MessageField.VALUE))
        elif "hex" in line:
            value = bytes.fromhex(line["hex"])
        else:
            value = line.get("text")
        options = {"partition": line["partition"]} if "partition" in line else {}
        producer.produce(topic, key=line.get("key"), value=value, on_delivery=delivered(index), **options)
    if producer.flush(20):
        raise SystemExit("not everything was acknowledged within 20 s")
    for index in range(len(lines)):
        print(json.dumps(stored[index]))


main()
