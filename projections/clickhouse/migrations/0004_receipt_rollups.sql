-- Rollups of receipts and their lines; what all rollups have in common is said in 0002_transaction_rollups.sql.
--
-- Purchases (total above zero), returns (below zero) and receipts with nothing to pay are counted in columns of their own, so
-- that a mean receipt is a mean of purchases and a sum of sales is not thinned by returns. Returns have negative amounts:
-- purchases plus returns is the balance.

-- One place is often read over a long time, and all places over a short one: within a day the rows of a place stand together,
-- and the smallest and largest bucket of each granule rule out the other days.
CREATE TABLE IF NOT EXISTS {{database}}.place_stats_15m_v1
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.' CODEC(Delta, ZSTD(1)),
    place_id String COMMENT 'Place of purchase.' CODEC(ZSTD(1)),
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    latest_name SimpleAggregateFunction(max, Tuple(Int64, String)) COMMENT 'Offset and place name of the last receipt; a place''s receipts are in one partition, so the greatest tuple is the last.' CODEC(ZSTD(1)),
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
ORDER BY (toDate(bucket), place_id, currency, bucket)
SETTINGS {{deduplication}}
COMMENT 'Receipts by 15 minutes, place and currency; read place_stats_15m.';

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.place_stats_15m_feed_v1
TO {{database}}.place_stats_15m_v1
AS SELECT
    toStartOfFifteenMinutes(r.occurred_at) AS bucket,
    r.place_id AS place_id,
    r.currency AS currency,
    max((r._offset, toString(r.place_name))) AS latest_name,
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
FROM {{database}}.receipts_v1 AS r
GROUP BY bucket, place_id, currency;

CREATE VIEW IF NOT EXISTS {{database}}.place_stats_15m
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.',
    place_id String COMMENT 'Place of purchase.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    place_name String COMMENT 'Name of the place on the last receipt of these 15 minutes.',
    purchases UInt64 COMMENT 'Receipts with a total above zero.',
    purchase_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds Decimal(38, 4) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips Decimal(38, 4) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    mean_receipt Nullable(Decimal(38, 4)) COMMENT 'purchase_total by purchases, in units of the currency, rounded half-even; null without purchases.',
    returns UInt64 COMMENT 'Receipts with a total below zero.',
    return_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds Decimal(38, 4) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips Decimal(38, 4) COMMENT 'Tips on returns, in units of the currency.',
    zeros UInt64 COMMENT 'Receipts with nothing to pay.',
    zero_tips Decimal(38, 4) COMMENT 'Tips on those, in units of the currency.'
)
COMMENT 'Receipts by 15 minutes, place and currency.'
AS WITH
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    s.bucket AS bucket,
    s.place_id AS place_id,
    s.currency AS currency,
    tupleElement(max(s.latest_name), 2) AS place_name,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    if(sum(s.purchases) = 0, NULL,
        toDecimal128(half_even(toInt128(sum(s.purchase_total) * 10000), greatest(sum(s.purchases), 1)), 4) / 10000) AS mean_receipt,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{database}}.place_stats_15m_v1 AS s
GROUP BY s.bucket, s.place_id, s.currency;

-- VAT and tips over a period, by means of payment: few rows for each bucket.
CREATE TABLE IF NOT EXISTS {{database}}.tax_tip_stats_15m_v1
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

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.tax_tip_stats_15m_feed_v1
TO {{database}}.tax_tip_stats_15m_v1
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
FROM {{database}}.receipts_v1 AS r
GROUP BY bucket, currency, payment_method;

CREATE VIEW IF NOT EXISTS {{database}}.tax_tip_stats_15m
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    payment_method LowCardinality(String) COMMENT 'Means of payment, as the till names it.',
    purchases UInt64 COMMENT 'Receipts with a total above zero.',
    purchase_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds Decimal(38, 4) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips Decimal(38, 4) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    tipped UInt64 COMMENT 'Receipts of any kind with a tip.',
    returns UInt64 COMMENT 'Receipts with a total below zero.',
    return_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds Decimal(38, 4) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips Decimal(38, 4) COMMENT 'Tips on returns, in units of the currency.',
    zeros UInt64 COMMENT 'Receipts with nothing to pay.',
    zero_tips Decimal(38, 4) COMMENT 'Tips on those, in units of the currency.'
)
COMMENT 'VAT and tips by 15 minutes, currency and means of payment.'
AS SELECT
    s.bucket AS bucket,
    s.currency AS currency,
    s.payment_method AS payment_method,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    sum(s.tipped) AS tipped,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{database}}.tax_tip_stats_15m_v1 AS s
GROUP BY s.bucket, s.currency, s.payment_method;

-- Goods by category. A line belongs to the purchases or returns by its receipt's total, whatever its own sign.
CREATE TABLE IF NOT EXISTS {{database}}.category_stats_15m_v1
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

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.category_stats_15m_feed_v1
TO {{database}}.category_stats_15m_v1
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
FROM {{database}}.receipt_items_v1 AS i
GROUP BY bucket, category, currency;

CREATE VIEW IF NOT EXISTS {{database}}.category_stats_15m
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.',
    category LowCardinality(String) COMMENT 'Category of the goods.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchase_lines UInt64 COMMENT 'Lines of purchases.',
    purchase_quantity Decimal(38, 6) COMMENT 'Sum of their quantities, in units of the products.',
    purchase_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency.',
    return_lines UInt64 COMMENT 'Lines of returns.',
    return_quantity Decimal(38, 6) COMMENT 'Sum of their quantities, in units of the products; normally negative.',
    return_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency; normally negative.',
    zero_lines UInt64 COMMENT 'Lines of receipts with nothing to pay.',
    zero_quantity Decimal(38, 6) COMMENT 'Sum of their quantities, in units of the products.',
    zero_amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency; within the tolerance of totals.'
)
COMMENT 'Receipt lines by 15 minutes, category and currency.'
AS SELECT
    s.bucket AS bucket,
    s.category AS category,
    s.currency AS currency,
    sum(s.purchase_lines) AS purchase_lines,
    sum(s.purchase_quantity) AS purchase_quantity,
    sum(s.purchase_amount) AS purchase_amount,
    sum(s.return_lines) AS return_lines,
    sum(s.return_quantity) AS return_quantity,
    sum(s.return_amount) AS return_amount,
    sum(s.zero_lines) AS zero_lines,
    sum(s.zero_quantity) AS zero_quantity,
    sum(s.zero_amount) AS zero_amount
FROM {{database}}.category_stats_15m_v1 AS s
GROUP BY s.bucket, s.category, s.currency;
