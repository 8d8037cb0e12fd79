-- What came in and took no effect, and what was answered: requests, dead letters, duplicates. Keys and partitions are explained in
-- transactions.sql; these tables are read by time of receipt and by id.

CREATE TABLE IF NOT EXISTS {{database}}.requests_{{set}}
(
    request_id String COMMENT 'Id of the request, as in the answer''s x-request-id header.' CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the request arrived. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    method LowCardinality(String) COMMENT 'HTTP method.',
    path String COMMENT 'HTTP path.' CODEC(ZSTD(1)),
    client String COMMENT 'Client''s address.' CODEC(ZSTD(1)),
    user_agent Nullable(String) COMMENT 'Client''s User-Agent.' CODEC(ZSTD(1)),
    content_type Nullable(String) COMMENT 'Media type as sent.' CODEC(ZSTD(1)),
    content_encoding Nullable(String) COMMENT 'Content encoding as sent.' CODEC(ZSTD(1)),
    body_bytes Int64 COMMENT 'Bytes of the body read, after decompression.' CODEC(ZSTD(1)),
    http_status Int32 COMMENT 'Status answered.' CODEC(ZSTD(1)),
    code LowCardinality(Nullable(String)) COMMENT 'Stable code when the request was refused as a whole.',
    message Nullable(String) COMMENT 'The refusal in words.' CODEC(ZSTD(1)),
    accepted Int32 COMMENT 'Items accepted.' CODEC(ZSTD(1)),
    duplicates Int32 COMMENT 'Items that were duplicates.' CODEC(ZSTD(1)),
    rejected Int32 COMMENT 'Items refused.' CODEC(ZSTD(1)),
    results Array(Tuple(
        `index` Int32,
        trn_id Nullable(String),
        status LowCardinality(String),
        `partition` Nullable(Int32),
        `offset` Nullable(Int64),
        errors Array(Tuple(path String, code LowCardinality(String), message String)))) COMMENT 'One per item, in the request''s order: position from 0, id across systems, answer, where the journal holds it, what is wrong with it.' CODEC(ZSTD(1)),
    event_id UUID COMMENT 'Id of this event in the log.' CODEC(NONE),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX request_ids request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX item_ids arrayMap(id -> ifNull(id, ''), results.trn_id) TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(received_at), _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each refused request and each batch, with its answer for every item.';

-- The payload is read only when a letter is opened, so it is packed harder.
CREATE TABLE IF NOT EXISTS {{database}}.dead_letters_{{set}}
(
    event_id UUID COMMENT 'Id of this event in the log.' CODEC(NONE),
    received_at DateTime64(3, 'UTC') COMMENT 'When the input was taken in, by the broker''s clock or the gateway''s. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    source_topic LowCardinality(Nullable(String)) COMMENT 'Journal the input was read from; null when the gateway refused it.',
    source_partition Nullable(Int32) COMMENT 'Partition of that journal.' CODEC(ZSTD(1)),
    source_offset Nullable(Int64) COMMENT 'Offset in that partition.' CODEC(ZSTD(1)),
    request_id Nullable(String) COMMENT 'Request the input came with, where known.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the body as a whole was refused.' CODEC(ZSTD(1)),
    target_topic LowCardinality(String) COMMENT 'Journal the input was meant for.',
    code LowCardinality(String) COMMENT 'Stable code of the first error.',
    message String COMMENT 'The first error in words.' CODEC(ZSTD(1)),
    errors Array(Tuple(path String, code LowCardinality(String), message String)) COMMENT 'Every error found: JSON pointer or XPath of the field, stable code, the error in words.' CODEC(ZSTD(1)),
    key Nullable(String) COMMENT 'Original key of the source record, as bytes.' CODEC(ZSTD(1)),
    content_type LowCardinality(String) COMMENT 'Media type of the payload: avro/binary for the Confluent wire format, else as the client sent it.',
    payload String COMMENT 'Original bytes, cut when larger than the limit.' CODEC(ZSTD(3)),
    payload_bytes Int64 COMMENT 'Size of the original in bytes.' CODEC(ZSTD(1)),
    truncated Bool COMMENT 'True when the payload was cut.',
    attempt Int32 COMMENT '1 for the first time; higher after a replay.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX event_ids event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(received_at), _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each input that could not be processed, with its original bytes.';

CREATE TABLE IF NOT EXISTS {{database}}.duplicates_{{set}}
(
    trn_id UUID COMMENT 'Id of the record across systems.' CODEC(NONE),
    received_at DateTime64(3, 'UTC') COMMENT 'When the broker appended the later record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    source_topic LowCardinality(String) COMMENT 'Journal that holds both records.',
    source_partition Int32 COMMENT 'Partition of that journal.' CODEC(ZSTD(1)),
    source_offset Int64 COMMENT 'Offset of the later record, which took no effect.' CODEC(Delta, ZSTD(1)),
    first_offset Int64 COMMENT 'Offset of the first record, which did.' CODEC(Delta, ZSTD(1)),
    event_id UUID COMMENT 'Id of this event in the log.' CODEC(NONE),
    request_id Nullable(String) COMMENT 'Id of the request that brought the later record; null when it was produced directly.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX trn_ids trn_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(received_at), _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each later record with the id and content of an earlier one.';
