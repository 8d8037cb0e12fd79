-- Rollups of transactions. What all rollups have in common:
--
-- * A materialized view is a pure function of the block that is inserted: no clock, no join, no other table. With a
--   deduplication window of its own, its target takes a repeated block once, as the base table does.
-- * Sums are exact: decimals and integers, never floats, so that the order of merges cannot change a figure.
-- * The grain is UTC and the currency is part of the key.
-- * Targets are not partitioned: one block, one part. Rows of one key may stand in several parts until they are merged; the
--   public views group them, so their figures are always finished.

-- The load: how many, how much, how they were decided. Read for a stretch of time, so time comes first.
CREATE TABLE IF NOT EXISTS {{database}}.transaction_stats_1m_{{set}}
(
    bucket DateTime('UTC') COMMENT 'Start of the minute in which the transactions took place, UTC.' CODEC(Delta, ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    transactions SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions.',
    amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, in units of the currency.',
    allowed SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided allow.',
    reviewed SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided review.',
    blocked SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided block.',
    blocked_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of the blocked amounts, in units of the currency.',
    defaulted SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions that neither model nor rules could score.',
    late SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions that came later than the lateness.',
    scoring_millionths SimpleAggregateFunction(sum, UInt64) COMMENT 'Sum of the scores, each rounded to millionths.',
    max_scoring SimpleAggregateFunction(max, Float64) COMMENT 'Highest score, 0 to 1.'
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (bucket, currency)
SETTINGS {{deduplication}}
COMMENT 'Transactions by minute and currency; read transaction_stats_1m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.transaction_stats_1m_feed_{{set}}
TO {{database}}.transaction_stats_1m_{{set}}
AS SELECT
    toStartOfMinute(s.occurred_at) AS bucket,
    s.currency AS currency,
    count() AS transactions,
    sum(s.amount) AS amount,
    countIf(s.decision = 'allow') AS allowed,
    countIf(s.decision = 'review') AS reviewed,
    countIf(s.decision = 'block') AS blocked,
    sumIf(s.amount, s.decision = 'block') AS blocked_amount,
    countIf(s.decision_source = 'default') AS defaulted,
    countIf(NOT s.window_exact) AS late,
    sum(toUInt64(round(s.scoring * 1000000))) AS scoring_millionths,
    max(s.scoring) AS max_scoring
FROM {{database}}.transaction_scores_{{set}} AS s
GROUP BY bucket, currency;

-- Customers by day: who spends how much, who is suspicious. A day is read for all customers or one, so the day comes first.
CREATE TABLE IF NOT EXISTS {{database}}.customer_stats_1d_{{set}}
(
    day Date COMMENT 'Day on which the transactions took place, UTC.' CODEC(Delta, ZSTD(1)),
    customer_id String COMMENT 'Customer who pays.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    transactions SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions.',
    amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, in units of the currency.',
    max_amount SimpleAggregateFunction(max, Decimal(18, 4)) COMMENT 'Largest amount, in units of the currency.',
    allowed SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided allow.',
    reviewed SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided review.',
    blocked SimpleAggregateFunction(sum, UInt64) COMMENT 'Transactions decided block.',
    scoring_millionths SimpleAggregateFunction(sum, UInt64) COMMENT 'Sum of the scores, each rounded to millionths.',
    max_scoring SimpleAggregateFunction(max, Float64) COMMENT 'Highest score, 0 to 1.',
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'Time of the day''s first transaction, UTC.' CODEC(Delta, ZSTD(1)),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Time of the day''s last transaction, UTC.' CODEC(Delta, ZSTD(1))
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (day, customer_id, currency)
SETTINGS {{deduplication}}
COMMENT 'Transactions by day, customer and currency; read customer_stats_1d.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.customer_stats_1d_feed_{{set}}
TO {{database}}.customer_stats_1d_{{set}}
AS SELECT
    toDate(s.occurred_at) AS day,
    s.customer_id AS customer_id,
    s.currency AS currency,
    count() AS transactions,
    sum(s.amount) AS amount,
    max(s.amount) AS max_amount,
    countIf(s.decision = 'allow') AS allowed,
    countIf(s.decision = 'review') AS reviewed,
    countIf(s.decision = 'block') AS blocked,
    sum(toUInt64(round(s.scoring * 1000000))) AS scoring_millionths,
    max(s.scoring) AS max_scoring,
    min(s.occurred_at) AS first_at,
    max(s.occurred_at) AS last_at
FROM {{database}}.transaction_scores_{{set}} AS s
GROUP BY day, customer_id, currency;
