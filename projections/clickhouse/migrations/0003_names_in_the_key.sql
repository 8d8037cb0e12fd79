-- Names of places stand in the key of their rollup, one row for each, since what is only a word to be chosen cost as much as all sums
-- together. Names of rows from before are added as rows that count nothing; a rebuild makes the set as it would have been.

ALTER TABLE {{database}}.place_stats_15m_{{set}}
    ADD COLUMN IF NOT EXISTS place_name LowCardinality(String) COMMENT 'Its name on the receipts.' AFTER place_id,
    ADD COLUMN IF NOT EXISTS last_offset SimpleAggregateFunction(max, Int64) COMMENT 'Offset of the last of the receipts; those of a place are in one partition, so the name with the greatest one is the last.' CODEC(ZSTD(1)) AFTER currency,
    MODIFY ORDER BY (toDate(bucket), place_id, currency, bucket, place_name);

ALTER TABLE {{database}}.place_stats_15m_feed_{{set}} MODIFY QUERY
SELECT
    toStartOfFifteenMinutes(r.occurred_at) AS bucket,
    r.place_id AS place_id,
    r.place_name AS place_name,
    r.currency AS currency,
    max(r._offset) AS last_offset,
    countIf(r.kind = 'purchase') AS purchases,
    sumIf(r.total_amount, r.kind = 'purchase') AS purchase_total,
    sumIf(r.nds_amount, r.kind = 'purchase') AS purchase_nds,
    sumIf(r.tips_amount, r.kind = 'purchase') AS purchase_tips,
    countIf(r.kind = 'return') AS returns,
    sumIf(r.total_amount, r.kind = 'return') AS return_total,
    sumIf(r.nds_amount, r.kind = 'return') AS return_nds,
    sumIf(r.tips_amount, r.kind = 'return') AS return_tips,
    countIf(r.kind = 'zero') AS zeros,
    sumIf(r.tips_amount, r.kind = 'zero') AS zero_tips
FROM {{database}}.receipts_{{set}} AS r
GROUP BY bucket, place_id, place_name, currency;

INSERT INTO {{database}}.place_stats_15m_{{set}} (bucket, place_id, place_name, currency, last_offset) SETTINGS async_insert = 0
SELECT bucket, place_id, latest_name.2, currency, latest_name.1
FROM {{database}}.place_stats_15m_{{set}}
WHERE place_name = '' AND latest_name.2 != '';
