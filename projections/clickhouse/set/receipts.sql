-- Receipts and their lines, both filled from the topic purchases; keys and partitions are explained in transactions.sql. A line carries
-- its receipt's place, time, kind and currency, so that questions about goods need no join.

CREATE TABLE IF NOT EXISTS {{database}}.receipts_{{set}}
(
    trn_id UUID COMMENT 'Id of the receipt across systems, derived from place_id and transaction_id.' CODEC(NONE),
    place_id String COMMENT 'Place of purchase.' CODEC(ZSTD(1)),
    place_name LowCardinality(String) COMMENT 'Name of the place at that time.',
    transaction_id String COMMENT 'Till''s id of the receipt, unique within the place.' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the purchase took place, by the client''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When whoever produced it (normally the gateway) took it in. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'purchase: the total is positive; return: negative; zero: nothing was to pay.',
    total_amount Decimal(18, 4) COMMENT 'Total to pay in units of the currency, VAT included, tips not included; negative on a return.' CODEC(ZSTD(1)),
    nds_amount Decimal(18, 4) COMMENT 'VAT contained in the total, in units of the currency; has the sign of the total.' CODEC(ZSTD(1)),
    net_amount Decimal(18, 4) COMMENT 'Total less VAT, in units of the currency.' CODEC(ZSTD(1)),
    tips_amount Decimal(18, 4) COMMENT 'Tips on top of the total, in units of the currency; not negative.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of all amounts. Amounts of several currencies must not be added.',
    payment_method LowCardinality(String) COMMENT 'Means of payment, as the till names it.',
    payment_transaction_id Nullable(String) COMMENT 'Id of the card transaction that paid the receipt, where known.' CODEC(ZSTD(1)),
    original_transaction_id Nullable(String) COMMENT 'On a return: till''s id of the receipt whose goods came back, where known.' CODEC(ZSTD(1)),
    original_trn_id Nullable(UUID) COMMENT 'Id of that receipt across systems: join it with trn_id.' CODEC(NONE),
    lines Int32 COMMENT 'Lines of the receipt.' CODEC(ZSTD(1)),
    items_total Decimal(18, 4) COMMENT 'Sum of the lines'' amounts, in units of the currency.' CODEC(ZSTD(1)),
    items_difference Decimal(18, 4) COMMENT 'items_total less total_amount, in units of the currency; within the tolerance.' CODEC(ZSTD(1)),
    time_zone LowCardinality(Nullable(String)) COMMENT 'IANA zone in which a local time without offset was read; null when the client gave an offset.',
    time_resolution LowCardinality(String) COMMENT 'How the client''s time became an instant: exact, ambiguous_earlier (it occurs twice, the earlier was taken) or gap_forward (it does not exist and was moved forward).',
    extra Map(String, String) COMMENT 'Fields the contract does not name, as JSON text by name.' CODEC(ZSTD(1)),
    event_id UUID COMMENT 'Id of the purchase''s event in the log.' CODEC(NONE),
    source_partition Int32 COMMENT 'Partition of the topic receipts that holds it as received.' CODEC(ZSTD(1)),
    source_offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    source_timestamp DateTime64(3, 'UTC') COMMENT 'When the broker appended it there. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    request_id Nullable(String) COMMENT 'Id of the request that brought the receipt; null when it was produced directly.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_trn_id (SELECT _part_offset ORDER BY trn_id),
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(occurred_at), place_id, _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each accepted receipt.';

CREATE TABLE IF NOT EXISTS {{database}}.receipt_items_{{set}}
(
    trn_id UUID COMMENT 'Id of the receipt across systems.' CODEC(NONE),
    place_id String COMMENT 'Place of purchase.' CODEC(ZSTD(1)),
    transaction_id String COMMENT 'Till''s id of the receipt, unique within the place.' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the purchase took place, by the client''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'Of the receipt: purchase, return or zero, by the sign of its total.',
    line Int32 COMMENT 'Position on the receipt, from 1.' CODEC(ZSTD(1)),
    product_id String COMMENT 'Product sold.' CODEC(ZSTD(1)),
    category LowCardinality(String) COMMENT 'Category of the goods.',
    nds_rate Nullable(Decimal(18, 4)) COMMENT 'VAT rate in percent, where known.' CODEC(ZSTD(1)),
    quantity Decimal(18, 6) COMMENT 'Quantity in units of the product; negative where goods came back.' CODEC(ZSTD(1)),
    price Decimal(18, 4) COMMENT 'Price of one unit, VAT included, in units of the currency; not negative.' CODEC(ZSTD(1)),
    amount Decimal(18, 4) COMMENT 'quantity x price in units of the currency, rounded half-even.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of price and amount. Amounts of several currencies must not be added.',
    extra Map(String, String) COMMENT 'Fields of the line the contract does not name, as JSON text by name.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition; the lines of one receipt share it.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX product_ids product_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_trn_id (SELECT _part_offset ORDER BY trn_id)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(occurred_at), place_id, _partition, _offset, line)
SETTINGS {{deduplication}}
COMMENT 'One row for each line of an accepted receipt.';
