-- Transactions and their scores. Both tables are filled from the topic transaction-scores.
--
-- What all base tables have in common:
--
-- * The tables of one version, their rollups and the materialized views between them are one set, because a
--   materialized view follows names. People read the public names, which are views over a set.
-- * PARTITION BY month of the *record*, not of the event: a batch then becomes one part, so it is visible as a whole or not
--   at all, and a client that sends decades of history cannot spread it over hundreds of partitions.
-- * ORDER BY begins with the hour of the event, because nearly every question has a time range; then the owner, because the
--   next question is "what did this customer (place) do". The event's time itself is deliberately not in the key: where it
--   is, the engine prunes by it instead of by the hour, and reads everything. The offset makes the order complete.
-- * A projection that holds only row numbers ordered by trn_id makes reading one row by its id a binary search. What else is
--   asked for without a time (a customer's history, a business id, a range of offsets) has a small index that rules out
--   granules.
-- * Of the tables that one topic fills, the one written last tells how far the projection is: a projection with the highest
--   offset of each partition answers that without reading rows.
-- * Deduplication by token needs a window in every table, the targets of materialized views included, or a repeated insert
--   counts twice there.
-- * UUIDs are random bytes, which no codec makes smaller. Times and offsets that rise are stored as differences.

CREATE TABLE IF NOT EXISTS {{database}}.transactions_{{set}}
(
    trn_id UUID COMMENT 'Id of the transaction across systems, derived from customer_id and transaction_id.' CODEC(NONE),
    customer_id String COMMENT 'Customer who pays.' CODEC(ZSTD(1)),
    transaction_id String COMMENT 'Client''s id of the transaction, unique within the customer.' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the transaction took place, by the client''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When whoever produced it (normally the gateway) took it in. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    amount Decimal(18, 4) COMMENT 'Amount in units of the currency; not negative.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amount. Amounts of several currencies must not be added.',
    type Int32 COMMENT 'Client''s transaction type code.' CODEC(ZSTD(1)),
    merchant_id String COMMENT 'Merchant paid.' CODEC(ZSTD(1)),
    merchant_category LowCardinality(Nullable(String)) COMMENT 'Category of the merchant.',
    transaction_category LowCardinality(Nullable(String)) COMMENT 'Upstream''s category of the transaction.',
    channel LowCardinality(String) COMMENT 'Channel, such as online, mobile, pos or atm.',
    card_bin LowCardinality(String) COMMENT 'Issuer identification number: the first 6 to 8 digits of the card.',
    card_id Nullable(String) COMMENT 'Token of the card; never its number.' CODEC(ZSTD(1)),
    ip_address String COMMENT 'Client''s IPv4 or IPv6 address.' CODEC(ZSTD(1)),
    device_id String COMMENT 'Device the transaction was made from.' CODEC(ZSTD(1)),
    location LowCardinality(String) COMMENT 'Place in words, as the client knows it.',
    latitude Nullable(Float64) COMMENT 'Latitude of the place in degrees, WGS 84.' CODEC(ZSTD(1)),
    longitude Nullable(Float64) COMMENT 'Longitude of the place in degrees, WGS 84.' CODEC(ZSTD(1)),
    is_fraud Nullable(Bool) COMMENT 'Label asserted by the client. Never an input to the score.',
    merchant_risk_score Nullable(Float64) COMMENT 'Upstream''s risk of the merchant, 0 to 1.' CODEC(ZSTD(1)),
    card_risk_score Nullable(Float64) COMMENT 'Upstream''s risk of the card, 0 to 1.' CODEC(ZSTD(1)),
    customer_risk_score Nullable(Float64) COMMENT 'Upstream''s risk of the customer, 0 to 1.' CODEC(ZSTD(1)),
    is_velocity_alert Nullable(Bool) COMMENT 'Upstream''s alert: too many transactions.',
    is_location_alert Nullable(Bool) COMMENT 'Upstream''s alert: unusual place.',
    is_device_alert Nullable(Bool) COMMENT 'Upstream''s alert: unusual device.',
    is_high_value Nullable(Bool) COMMENT 'Upstream''s flag of a high amount.',
    customer_segments Array(LowCardinality(String)) COMMENT 'Segments the upstream puts the customer in.',
    time_zone LowCardinality(Nullable(String)) COMMENT 'IANA zone in which a local time without offset was read; null when the client gave an offset.',
    time_resolution LowCardinality(String) COMMENT 'How the client''s time became an instant: exact, ambiguous_earlier (it occurs twice, the earlier was taken) or gap_forward (it does not exist and was moved forward).',
    extra Map(String, String) COMMENT 'Fields the contract does not name, as JSON text by name.' CODEC(ZSTD(1)),
    event_id UUID COMMENT 'Id of the score''s event in the log.' CODEC(NONE),
    source_partition Int32 COMMENT 'Partition of the topic transactions that holds it as received.' CODEC(ZSTD(1)),
    source_offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    source_timestamp DateTime64(3, 'UTC') COMMENT 'When the broker appended it there. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    request_id Nullable(String) COMMENT 'Id of the request that brought the transaction; null when it was produced directly.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX customers customer_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_trn_id (SELECT _part_offset ORDER BY trn_id)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(occurred_at), customer_id, _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each accepted transaction, as received.';

-- The transaction's customer, time and amount stand here too, so that the usual questions need no join.
CREATE TABLE IF NOT EXISTS {{database}}.transaction_scores_{{set}}
(
    trn_id UUID COMMENT 'Id of the transaction across systems, derived from customer_id and transaction_id.' CODEC(NONE),
    customer_id String COMMENT 'Customer who pays.' CODEC(ZSTD(1)),
    transaction_id String COMMENT 'Client''s id of the transaction, unique within the customer.' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the transaction took place, by the client''s statement. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When whoever produced it (normally the gateway) took it in. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    amount Decimal(18, 4) COMMENT 'Amount in units of the currency; not negative.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amount. Amounts of several currencies must not be added.',
    scoring Float64 COMMENT 'Risk, 0 to 1.' CODEC(ZSTD(1)),
    decision LowCardinality(String) COMMENT 'What to do with the transaction: allow, review or block.',
    decision_source LowCardinality(String) COMMENT 'What decided: model or rules; default when neither could answer.',
    reasons Array(Tuple(
        code LowCardinality(String),
        text String,
        feature LowCardinality(String),
        value Float64,
        contribution Float64)) COMMENT 'Rules that hold, the largest contribution first: stable code, the rule in words, the feature that made it hold, its value, and what it adds to the log-odds of fraud.' CODEC(ZSTD(1)),
    model LowCardinality(Nullable(String)) COMMENT 'Version of the model that scored: its id and a hash; null where rules alone decided.',
    raw_scoring Nullable(Float64) COMMENT 'The model''s own probability, before calibration and rules; null where no model scored.' CODEC(ZSTD(1)),
    default_cause LowCardinality(Nullable(String)) COMMENT 'Why the score is the default: timeout, overload, model_error, breaker_open; null where it is none.',
    shadow_model LowCardinality(Nullable(String)) COMMENT 'Version of the model that scored beside the active one; null where there was none.',
    shadow_scoring Nullable(Float64) COMMENT 'What it made of the same features, 0 to 1; null where it gave nothing in time.' CODEC(ZSTD(1)),
    configuration LowCardinality(String) COMMENT 'Version of rules and thresholds that were in force.',
    customer_transaction_count_3h Int32 COMMENT 'Customer''s transactions in the 3 hours up to this one, itself included, all currencies.' CODEC(ZSTD(1)),
    customer_avg_amount_3h Decimal(18, 4) COMMENT 'Mean amount of those in this transaction''s currency, in units of it, rounded half-even.' CODEC(ZSTD(1)),
    customer_transaction_count_6h Int32 COMMENT 'Customer''s transactions in the 6 hours up to this one, itself included, all currencies.' CODEC(ZSTD(1)),
    customer_avg_amount_6h Decimal(18, 4) COMMENT 'Mean amount of those in this transaction''s currency, in units of it, rounded half-even.' CODEC(ZSTD(1)),
    customer_transaction_count_12h Int32 COMMENT 'Customer''s transactions in the 12 hours up to this one, itself included, all currencies.' CODEC(ZSTD(1)),
    customer_avg_amount_12h Decimal(18, 4) COMMENT 'Mean amount of those in this transaction''s currency, in units of it, rounded half-even.' CODEC(ZSTD(1)),
    customer_transaction_count_24h Int32 COMMENT 'Customer''s transactions in the 24 hours up to this one, itself included, all currencies.' CODEC(ZSTD(1)),
    customer_avg_amount_24h Decimal(18, 4) COMMENT 'Mean amount of those in this transaction''s currency, in units of it, rounded half-even.' CODEC(ZSTD(1)),
    window_exact Bool COMMENT 'False when the transaction came later than the lateness, so that its windows cover only what was retained.',
    features Map(LowCardinality(String), Float64) COMMENT 'Every feature value the score was computed from, by name.' CODEC(ZSTD(1)),
    is_fraud Nullable(Bool) COMMENT 'Label asserted by the client. Never an input to the score.',
    event_id UUID COMMENT 'Id of the score''s event in the log.' CODEC(NONE),
    source_partition Int32 COMMENT 'Partition of the topic transactions that holds the transaction as received.' CODEC(ZSTD(1)),
    source_offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    source_timestamp DateTime64(3, 'UTC') COMMENT 'When the broker appended it there. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    request_id Nullable(String) COMMENT 'Id of the request that brought the transaction; null when it was produced directly.' CODEC(ZSTD(1)),
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)),
    _topic LowCardinality(String) COMMENT 'Topic this row was read from.',
    _partition Int32 COMMENT 'Partition of that topic.' CODEC(ZSTD(1)),
    _offset Int64 COMMENT 'Offset in that partition.' CODEC(Delta, ZSTD(1)),
    _timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of that record. UTC, milliseconds.' CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written here. UTC, milliseconds. Differs after a rebuild.' CODEC(Delta, ZSTD(1)),
    INDEX offsets _offset TYPE minmax GRANULARITY 1,
    INDEX customers customer_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX transaction_ids transaction_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1,
    PROJECTION by_trn_id (SELECT _part_offset ORDER BY trn_id),
    PROJECTION positions (SELECT _topic, _partition, count(), min(_offset), max(_offset) GROUP BY _topic, _partition)
)
ENGINE = {{merge_tree}}
PARTITION BY toYYYYMM(_timestamp)
ORDER BY (toStartOfHour(occurred_at), customer_id, _partition, _offset)
SETTINGS {{deduplication}}
COMMENT 'One row for each accepted transaction: its score and everything the score was computed from.';

-- Of sets that were made before these columns.
ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS raw_scoring Nullable(Float64) COMMENT 'The model''s own probability, before calibration and rules; null where no model scored.' CODEC(ZSTD(1)) AFTER model;
ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS default_cause LowCardinality(Nullable(String)) COMMENT 'Why the score is the default: timeout, overload, model_error, breaker_open; null where it is none.' AFTER raw_scoring;
ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS shadow_model LowCardinality(Nullable(String)) COMMENT 'Version of the model that scored beside the active one; null where there was none.' AFTER default_cause;
ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS shadow_scoring Nullable(Float64) COMMENT 'What it made of the same features, 0 to 1; null where it gave nothing in time.' CODEC(ZSTD(1)) AFTER shadow_model;
