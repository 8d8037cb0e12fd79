-- The names that places had, by day; what all rollups have in common is said in transaction_rollups.sql. A place that was renamed keeps
-- the names it had. Read places and place_names, or place_name_stats_1d.

CREATE TABLE IF NOT EXISTS {{database}}.place_name_stats_1d_{{set}}
(
    day Date COMMENT 'Day on which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    place_id String COMMENT 'Place of purchase.' CODEC(ZSTD(1)),
    place_name String COMMENT 'A name it had on that day.' CODEC(ZSTD(1)),
    receipts SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with that name, of any kind.',
    purchases SimpleAggregateFunction(sum, UInt64) COMMENT 'Those with a total above zero.',
    returns SimpleAggregateFunction(sum, UInt64) COMMENT 'Those with a total below zero.',
    currencies SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'ISO 4217 codes of their amounts.' CODEC(ZSTD(1)),
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'Time of the day''s first receipt with it, UTC.',
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Time of the day''s last receipt with it, UTC.',
    last_offset SimpleAggregateFunction(max, Tuple(DateTime64(3, 'UTC'), Int64)) COMMENT 'Time and offset of that receipt: of two at the same time, the later one in the log is the last.' CODEC(ZSTD(1))
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (place_id, place_name, day)
SETTINGS {{deduplication}}
COMMENT 'Names of places by day; read place_name_stats_1d.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.place_name_stats_1d_feed_{{set}}
TO {{database}}.place_name_stats_1d_{{set}}
AS SELECT
    toDate(r.occurred_at) AS day,
    r.place_id AS place_id,
    toString(r.place_name) AS place_name,
    count() AS receipts,
    countIf(r.kind = 'purchase') AS purchases,
    countIf(r.kind = 'return') AS returns,
    groupUniqArray(toString(r.currency)) AS currencies,
    min(r.occurred_at) AS first_at,
    max(r.occurred_at) AS last_at,
    max((r.occurred_at, r._offset)) AS last_offset
FROM {{database}}.receipts_{{set}} AS r
GROUP BY day, place_id, place_name;
