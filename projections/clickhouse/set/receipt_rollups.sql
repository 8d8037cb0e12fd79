-- Rollups of receipts and their lines; what all rollups have in common is said in transaction_rollups.sql.
--
-- Purchases (total above zero), returns (below zero) and receipts with nothing to pay are counted in columns of their own, so
-- that a mean receipt is a mean of purchases and a sum of sales is not thinned by returns. Returns have negative amounts:
-- purchases plus returns is the balance.

-- One place is often read over a long time, and all places over a short one: within a day the rows of a place stand together,
-- and the smallest and largest bucket of each granule rule out the other days.
CREATE TABLE IF NOT EXISTS {{database}}.place_stats_15m_{{set}}
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    place_id LowCardinality(String) COMMENT 'Place of purchase.',
    place_name LowCardinality(String) COMMENT 'Its name on the receipts.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    last_offset SimpleAggregateFunction(max, Int64) COMMENT 'Offset of the last of the receipts; those of a place are in one partition, so the name with the greatest one is the last.' CODEC(ZSTD(1)),
    purchases SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with a total above zero.',
    purchase_total SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    returns SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with a total below zero.',
    return_total SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on returns, in units of the currency.',
    zeros SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with nothing to pay.',
    zero_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on those, in units of the currency.',
    INDEX buckets bucket TYPE minmax GRANULARITY 1
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (toDate(bucket), place_id, currency, bucket, place_name)
SETTINGS {{deduplication}}
COMMENT 'Receipts by 15 minutes, place and currency; read place_stats_15m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.place_stats_15m_feed_{{set}}
TO {{database}}.place_stats_15m_{{set}}
AS SELECT
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

-- VAT and tips over a period, by means of payment: few rows for each bucket.
CREATE TABLE IF NOT EXISTS {{database}}.tax_tip_stats_15m_{{set}}
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    payment_method LowCardinality(String) COMMENT 'Means of payment, as the till names it.',
    purchases SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with a total above zero.',
    purchase_total SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    tipped SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts of any kind with a tip.',
    returns SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with a total below zero.',
    return_total SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on returns, in units of the currency.',
    zeros SimpleAggregateFunction(sum, UInt64) COMMENT 'Receipts with nothing to pay.',
    zero_tips SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Tips on those, in units of the currency.'
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (bucket, currency, payment_method)
SETTINGS {{deduplication}}
COMMENT 'VAT and tips by 15 minutes, currency and means of payment; read tax_tip_stats_15m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.tax_tip_stats_15m_feed_{{set}}
TO {{database}}.tax_tip_stats_15m_{{set}}
AS SELECT
    toStartOfFifteenMinutes(r.occurred_at) AS bucket,
    r.currency AS currency,
    r.payment_method AS payment_method,
    countIf(r.kind = 'purchase') AS purchases,
    sumIf(r.total_amount, r.kind = 'purchase') AS purchase_total,
    sumIf(r.nds_amount, r.kind = 'purchase') AS purchase_nds,
    sumIf(r.tips_amount, r.kind = 'purchase') AS purchase_tips,
    countIf(r.tips_amount > 0) AS tipped,
    countIf(r.kind = 'return') AS returns,
    sumIf(r.total_amount, r.kind = 'return') AS return_total,
    sumIf(r.nds_amount, r.kind = 'return') AS return_nds,
    sumIf(r.tips_amount, r.kind = 'return') AS return_tips,
    countIf(r.kind = 'zero') AS zeros,
    sumIf(r.tips_amount, r.kind = 'zero') AS zero_tips
FROM {{database}}.receipts_{{set}} AS r
GROUP BY bucket, currency, payment_method;

-- Goods by category. A line belongs to the purchases or returns by its receipt's total, whatever its own sign.
CREATE TABLE IF NOT EXISTS {{database}}.category_stats_15m_{{set}}
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    category LowCardinality(String) COMMENT 'Category of the goods.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchase_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of purchases.',
    purchase_quantity SimpleAggregateFunction(sum, Decimal(38, 6)) COMMENT 'Sum of their quantities, in units of the products.',
    purchase_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, VAT included, in units of the currency.',
    return_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of returns.',
    return_quantity SimpleAggregateFunction(sum, Decimal(38, 6)) COMMENT 'Sum of their quantities, in units of the products; normally negative.',
    return_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, VAT included, in units of the currency; normally negative.',
    zero_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of receipts with nothing to pay.',
    zero_quantity SimpleAggregateFunction(sum, Decimal(38, 6)) COMMENT 'Sum of their quantities, in units of the products.',
    zero_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, in units of the currency; within the tolerance of totals.'
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (bucket, category, currency)
SETTINGS {{deduplication}}
COMMENT 'Receipt lines by 15 minutes, category and currency; read category_stats_15m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.category_stats_15m_feed_{{set}}
TO {{database}}.category_stats_15m_{{set}}
AS SELECT
    toStartOfFifteenMinutes(i.occurred_at) AS bucket,
    i.category AS category,
    i.currency AS currency,
    countIf(i.kind = 'purchase') AS purchase_lines,
    sumIf(i.quantity, i.kind = 'purchase') AS purchase_quantity,
    sumIf(i.amount, i.kind = 'purchase') AS purchase_amount,
    countIf(i.kind = 'return') AS return_lines,
    sumIf(i.quantity, i.kind = 'return') AS return_quantity,
    sumIf(i.amount, i.kind = 'return') AS return_amount,
    countIf(i.kind = 'zero') AS zero_lines,
    sumIf(i.quantity, i.kind = 'zero') AS zero_quantity,
    sumIf(i.amount, i.kind = 'zero') AS zero_amount
FROM {{database}}.receipt_items_{{set}} AS i
GROUP BY bucket, category, currency;

-- Goods by rate of VAT. Tills name it for each line or not at all.
CREATE TABLE IF NOT EXISTS {{database}}.nds_rate_stats_15m_{{set}}
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    nds_rate LowCardinality(String) COMMENT 'VAT rate in percent, such as 20 or 5.5; empty where the till named none.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchase_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of purchases.',
    purchase_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, VAT included, in units of the currency.',
    return_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of returns.',
    return_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, VAT included, in units of the currency; normally negative.',
    zero_lines SimpleAggregateFunction(sum, UInt64) COMMENT 'Lines of receipts with nothing to pay.',
    zero_amount SimpleAggregateFunction(sum, Decimal(38, 4)) COMMENT 'Sum of their amounts, in units of the currency; within the tolerance of totals.'
)
ENGINE = {{aggregating_merge_tree}}
ORDER BY (bucket, nds_rate, currency)
SETTINGS {{deduplication}}
COMMENT 'Receipt lines by 15 minutes, VAT rate and currency; read nds_rate_stats_15m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.nds_rate_stats_15m_feed_{{set}}
TO {{database}}.nds_rate_stats_15m_{{set}}
AS SELECT
    toStartOfFifteenMinutes(i.occurred_at) AS bucket,
    ifNull(toString(i.nds_rate), '') AS nds_rate,
    i.currency AS currency,
    countIf(i.kind = 'purchase') AS purchase_lines,
    sumIf(i.amount, i.kind = 'purchase') AS purchase_amount,
    countIf(i.kind = 'return') AS return_lines,
    sumIf(i.amount, i.kind = 'return') AS return_amount,
    countIf(i.kind = 'zero') AS zero_lines,
    sumIf(i.amount, i.kind = 'zero') AS zero_amount
FROM {{database}}.receipt_items_{{set}} AS i
GROUP BY bucket, nds_rate, currency;
