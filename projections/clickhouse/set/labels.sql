-- What transactions turned out to be, from the topic labels. Keys and partitions are explained in transactions.sql; this table is read
-- by customer and transaction, and joined to transaction_scores by trn_id.

CREATE TABLE IF NOT EXISTS {{database}}.labels_{{set}}
(
    trn_id UUID COMMENT 'Id of the transaction across systems; join on it.' CODEC(NONE),
    customer_id String COMMENT 'Customer of the transaction.' CODEC(ZSTD(1)),
    transaction_id String COMMENT 'Client''s id of the transaction, unique within the customer.' CODEC(ZSTD(1)),
    label_id String COMMENT 'Id of the label, unique within the customer. A statement that was sent again has the same one: count with uniqExact, or take LIMIT 1 BY customer_id, label_id.' CODEC(ZSTD(1)),
    label_trn_id UUID COMMENT 'Id of the label across systems, as the gateway answers it: derived from customer_id and label_id.' CODEC(NONE),
    label LowCardinality(String) COMMENT 'fraud, legitimate or chargeback.',
    source LowCardinality(String) COMMENT 'Who says so.',
    decided_at DateTime64(3, 'UTC') COMMENT 'When it was decided, by the source''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the label was taken in. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    time_zone LowCardinality(Nullable(String)) COMMENT 'IANA zone in which a local time without offset was read; null when the client gave an offset.',
    time_resolution LowCardinality(String) COMMENT 'exact, ambiguous_earlier or gap_forward: how the client''s time became an instant.',
    extra Map(String, String) COMMENT 'Fields the contract does not name, as JSON text by name.' CODEC(ZSTD(1)),
    event_id UUID COMMENT 'Id of this event in the log.' CODEC(NONE),
    request_id Nullable(String) COMMENT 'Id of the request that brought the label; null when it was produced directly.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'When the broker appended the label: from then on it may be used. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX trn_ids trn_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX label_trn_ids label_trn_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX label_ids label_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(decided_at), customer_id, _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each label: what a transaction turned out to be, as somebody says. The latest by decided_at counts.';
