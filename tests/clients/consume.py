"""Reads topics to their end with the official client and its Avro deserializer, and prints what it decoded.

    consume.py BROKERS REGISTRY TOPIC...   ->   {"topic": [{"partition":, "offset":, "key":, "value": {...}}, ...]}
"""

import json
import sys
import uuid

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    return value


def read(brokers, deserialize, topic):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": f"official-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    })
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    records, ended = [], set()
    while len(ended) < len(partitions):
        message = consumer.poll(20)
        if message is None:
            raise SystemExit(f"{topic}: nothing within 20 s")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"{topic}: {message.error()}")
            ended.add(message.partition())
            continue
        value = deserialize(message.value(), SerializationContext(topic, MessageField.VALUE))
        records.append({
            "partition": message.partition(),
            "offset": message.offset(),
            "key": message.key().decode(),
            "value": plain(value),
        })
    consumer.close()
    return records


def main():
    brokers, registry, *topics = sys.argv[1:]
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    json.dump({topic: read(brokers, deserialize, topic) for topic in topics}, sys.stdout)


main()
