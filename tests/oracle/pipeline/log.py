"""Reading topics with the official client: what is committed, partition by partition, decoded with the log's own schemas."""

import collections
import io
import json
import time

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

END_WITHIN_S = 120
Record = collections.namedtuple("Record", "partition offset key value headers timestamp")
INVALID = object()


class Log:
    """A deployment's topics."""

    def __init__(self, brokers, prefix):
        self.brokers, self.prefix = brokers, prefix
        self.schemas = {record["id"]: schema(record["schema"]) for record in self.own_schemas()}

    def consumer(self, isolation):
        return Consumer({
            "bootstrap.servers": self.brokers, "group.id": "oracle", "isolation.level": isolation, "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "error", "fetch.max.bytes": 16 << 20, "check.crcs": True,
            "queued.max.messages.kbytes": 16384,
        })

    def partitions(self, topic):
        consumer = self.consumer("read_committed")
        found = consumer.list_topics(self.prefix + topic, timeout=30).topics[self.prefix + topic].partitions
        consumer.close()
        return sorted(found)

    def end(self, topic, partition):
        """The offset that the next record gets, transactions that are open counted."""
        consumer = self.consumer("read_uncommitted")
        _, end = consumer.get_watermark_offsets(TopicPartition(self.prefix + topic, partition), timeout=30)
        consumer.close()
        return end

    def read(self, topic, partition):
        """Every committed record, in order, to the end that the partition had when this was called."""
        end, consumer = self.end(topic, partition), self.consumer("read_committed")
        consumer.assign([TopicPartition(self.prefix + topic, partition, 0)])
        until, position = time.monotonic() + END_WITHIN_S, 0
        while position < end:
            for message in consumer.consume(5000, 0.1):
                until = time.monotonic() + END_WITHIN_S
                if message.error() is None:
                    position = message.offset() + 1
                    yield Record(partition, message.offset(), message.key(), message.value(), message.headers() or [],
                                 message.timestamp()[1])
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    position = max(position, message.offset())
                elif message.error().fatal() or message.error().code() == KafkaError._AUTO_OFFSET_RESET:
                    raise SystemExit(f"{topic}/{partition}: {message.error()}")
            if time.monotonic() > until:
                raise SystemExit(f"{topic}/{partition}: nothing between {position} and {end} for {END_WITHIN_S} s")
        consumer.close()

    def events(self, topic, partition):
        """The same, decoded. Every record of a derived topic must decode."""
        for record in self.read(topic, partition):
            event = self.decode(record.value)
            if event is INVALID:
                raise SystemExit(f"{topic}/{partition}/{record.offset} does not decode")
            yield record, event

    def decode(self, value):
        """An event, or INVALID when it is no datum of a schema that the log knows."""
        if value is None or len(value) < 5 or value[0] != 0:
            return INVALID
        schema_of_it = self.schemas.get(int.from_bytes(value[1:5], "big"))
        if schema_of_it is None:
            return INVALID
        return datum(schema_of_it, value[5:])

    def own_schemas(self):
        """The topic `schemas` is written in an encoding that never changes: a JSON object after five bytes, or Avro's own of it."""
        for record in self.read("schemas", 0):
            if record.value is not None:
                yield datum(SCHEMA_RECORD, record.value[5:])


def datum(avro, body):
    stream = io.BytesIO(body)
    try:
        event = fastavro.schemaless_reader(stream, avro)
    except (EOFError, ValueError, IndexError, TypeError, OverflowError, UnicodeDecodeError, MemoryError, KeyError):
        return INVALID
    return event if stream.tell() == len(body) else INVALID


def schema(text):
    return fastavro.parse_schema(without_logical_types(json.loads(text)))


def without_logical_types(avro):
    """Times stay integers."""
    if isinstance(avro, list):
        return [without_logical_types(each) for each in avro]
    if isinstance(avro, dict):
        return {name: without_logical_types(each) for name, each in avro.items() if name != "logicalType"}
    return avro


SCHEMA_RECORD = fastavro.parse_schema({
    "type": "record", "name": "SchemaRecord",
    "fields": [{"name": "id", "type": "int"}, {"name": "subject", "type": "string"}, {"name": "schema", "type": "string"}],
})


def murmur2_partition(key, partitions):
    """Kafka's own partitioner."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h, n = (0x9747B28C ^ len(key)) & mask, len(key) // 4 * 4
    for index in range(0, n, 4):
        k = int.from_bytes(key[index : index + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    rest = key[n:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
