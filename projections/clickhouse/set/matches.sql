-- Receipts with the transactions that paid them, from the topic receipt-matches. Keys and partitions are explained in transactions.sql;
-- trn_id joins with receipts, paid_by_trn_id with transactions and transaction_scores.

CREATE TABLE IF NOT EXISTS {{database}}.receipt_matches_{{set}}
(
    trn_id UUID COMMENT 'Id of the receipt across systems, as in receipts.' CODEC(NONE),
    place_id String COMMENT 'Place of purchase.' CODEC(ZSTD(1)),
    transaction_id String COMMENT 'Till''s id of the receipt, unique within the place.' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the purchase took place, by the client''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the receipt was taken in. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'matched: a transaction paid it; mismatch: the transaction it names differs from it; orphan: no transaction came in time.',
    reason LowCardinality(String) COMMENT 'payment_id: the receipt names the transaction; attributes: amount, currency, place and time agree; wait_over: the wait in log time is over; no_room: too many receipts waited.',
    amount Decimal(18, 4) COMMENT 'The receipt''s total in units of the currency, VAT included, tips not included.' CODEC(ZSTD(1)),
    tips_amount Decimal(18, 4) COMMENT 'Tips on top of it, in units of the currency.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of both. Amounts of several currencies must not be added.',
    payment_transaction_id Nullable(String) COMMENT 'Id of the transaction that the receipt names; null when it names none.' CODEC(ZSTD(1)),
    paid_by_trn_id Nullable(UUID) COMMENT 'Id across systems of the transaction; null on an orphan.' CODEC(NONE),
    paid_by_customer_id Nullable(String) COMMENT 'Its customer; null on an orphan.' CODEC(ZSTD(1)),
    paid_by_transaction_id Nullable(String) COMMENT 'Its id, unique within the customer; null on an orphan.' CODEC(ZSTD(1)),
    paid_by_occurred_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it took place, by the client''s statement; null on an orphan. UTC, milliseconds.' CODEC(ZSTD(1)),
    paid_by_amount Nullable(Decimal(18, 4)) COMMENT 'Its amount, in units of paid_by_currency; null on an orphan.' CODEC(ZSTD(1)),
    paid_by_currency LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code of its amount; null on an orphan.',
    time_distance_ms Nullable(Int64) COMMENT 'Milliseconds between receipt and transaction, not negative; null on an orphan.' CODEC(ZSTD(1)),
    differences Array(Tuple(field LowCardinality(String), receipt String, transaction String)) COMMENT 'What differs on a mismatch (amount, currency, time), with the receipt''s figure, tips included, and the transaction''s.' CODEC(ZSTD(1)),
    settled_at DateTime64(3, 'UTC') COMMENT 'When the receipt was settled, by the log''s clock. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    event_id UUID COMMENT 'Id of this event in the log.' CODEC(NONE),
    source_partition Int32 COMMENT 'Partition of the topic receipts that holds the receipt as received.' CODEC(ZSTD(1)),
    source_offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX trn_ids trn_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX paid_by_trn_ids paid_by_trn_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX paid_by_transaction_ids ifNull(paid_by_transaction_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(occurred_at), place_id, _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each receipt with a positive total, once it is settled: the transaction that paid it, or that none did.';
