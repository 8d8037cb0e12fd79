-- The public names of rollups: views that group a set's rows, so that their figures are always finished. Those of tables are made from
-- the tables' own columns.

CREATE OR REPLACE VIEW {{database}}.transaction_stats_1m
(
    bucket DateTime('UTC') COMMENT 'Start of the minute in which the transactions took place, UTC.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    transactions UInt64 COMMENT 'Transactions.',
    amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency.',
    mean_amount Decimal(38, 4) COMMENT 'Mean amount, in units of the currency, rounded half-even.',
    allowed UInt64 COMMENT 'Transactions decided allow.',
    reviewed UInt64 COMMENT 'Transactions decided review.',
    blocked UInt64 COMMENT 'Transactions decided block.',
    blocked_amount Decimal(38, 4) COMMENT 'Sum of the blocked amounts, in units of the currency.',
    defaulted UInt64 COMMENT 'Transactions that neither model nor rules could score.',
    late UInt64 COMMENT 'Transactions that came later than the lateness.',
    mean_scoring Float64 COMMENT 'Mean score, 0 to 1.',
    max_scoring Float64 COMMENT 'Highest score, 0 to 1.'
)
COMMENT 'Transactions by minute and currency.'
AS WITH
    {{mean_of}}
SELECT
    s.bucket AS bucket,
    s.currency AS currency,
    sum(s.transactions) AS transactions,
    sum(s.amount) AS amount,
    mean_of(sum(s.amount), sum(s.transactions)) AS mean_amount,
    sum(s.allowed) AS allowed,
    sum(s.reviewed) AS reviewed,
    sum(s.blocked) AS blocked,
    sum(s.blocked_amount) AS blocked_amount,
    sum(s.defaulted) AS defaulted,
    sum(s.late) AS late,
    sum(s.scoring_millionths) / 1000000 / sum(s.transactions) AS mean_scoring,
    max(s.max_scoring) AS max_scoring
FROM {{database}}.transaction_stats_1m_{{set}} AS s
GROUP BY s.bucket, s.currency;

CREATE OR REPLACE VIEW {{database}}.customer_stats_1d
(
    day Date COMMENT 'Day on which the transactions took place, UTC.',
    customer_id String COMMENT 'Customer who pays.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    transactions UInt64 COMMENT 'Transactions.',
    amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency.',
    mean_amount Decimal(38, 4) COMMENT 'Mean amount, in units of the currency, rounded half-even.',
    max_amount Decimal(18, 4) COMMENT 'Largest amount, in units of the currency.',
    allowed UInt64 COMMENT 'Transactions decided allow.',
    reviewed UInt64 COMMENT 'Transactions decided review.',
    blocked UInt64 COMMENT 'Transactions decided block.',
    mean_scoring Float64 COMMENT 'Mean score, 0 to 1.',
    max_scoring Float64 COMMENT 'Highest score, 0 to 1.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s first transaction, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s last transaction, UTC.'
)
COMMENT 'Transactions by day, customer and currency.'
AS WITH
    {{mean_of}}
SELECT
    s.day AS day,
    s.customer_id AS customer_id,
    s.currency AS currency,
    sum(s.transactions) AS transactions,
    sum(s.amount) AS amount,
    mean_of(sum(s.amount), sum(s.transactions)) AS mean_amount,
    max(s.max_amount) AS max_amount,
    sum(s.allowed) AS allowed,
    sum(s.reviewed) AS reviewed,
    sum(s.blocked) AS blocked,
    sum(s.scoring_millionths) / 1000000 / sum(s.transactions) AS mean_scoring,
    max(s.max_scoring) AS max_scoring,
    min(s.first_at) AS first_at,
    max(s.last_at) AS last_at
FROM {{database}}.customer_stats_1d_{{set}} AS s
GROUP BY s.day, s.customer_id, s.currency;

CREATE OR REPLACE VIEW {{database}}.place_stats_15m
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
    {{mean_of}}
SELECT
    s.bucket AS bucket,
    s.place_id AS place_id,
    s.currency AS currency,
    argMax(s.place_name, s.last_offset) AS place_name,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    mean_of(sum(s.purchase_total), nullIf(sum(s.purchases), 0)) AS mean_receipt,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{database}}.place_stats_15m_{{set}} AS s
GROUP BY s.bucket, s.place_id, s.currency;

CREATE OR REPLACE VIEW {{database}}.tax_tip_stats_15m
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
FROM {{database}}.tax_tip_stats_15m_{{set}} AS s
GROUP BY s.bucket, s.currency, s.payment_method;

CREATE OR REPLACE VIEW {{database}}.category_stats_15m
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
FROM {{database}}.category_stats_15m_{{set}} AS s
GROUP BY s.bucket, s.category, s.currency;

CREATE OR REPLACE VIEW {{database}}.nds_rate_stats_15m
(
    bucket DateTime('UTC') COMMENT 'Start of the 15 minutes in which the receipts were made out, UTC.',
    nds_rate LowCardinality(String) COMMENT 'VAT rate in percent, such as 20 or 5.5; empty where the till named none.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchase_lines UInt64 COMMENT 'Lines of purchases.',
    purchase_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency.',
    return_lines UInt64 COMMENT 'Lines of returns.',
    return_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency; normally negative.',
    zero_lines UInt64 COMMENT 'Lines of receipts with nothing to pay.',
    zero_amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency; within the tolerance of totals.'
)
COMMENT 'Receipt lines by 15 minutes, VAT rate and currency.'
AS SELECT
    s.bucket AS bucket,
    s.nds_rate AS nds_rate,
    s.currency AS currency,
    sum(s.purchase_lines) AS purchase_lines,
    sum(s.purchase_amount) AS purchase_amount,
    sum(s.return_lines) AS return_lines,
    sum(s.return_amount) AS return_amount,
    sum(s.zero_lines) AS zero_lines,
    sum(s.zero_amount) AS zero_amount
FROM {{database}}.nds_rate_stats_15m_{{set}} AS s
GROUP BY s.bucket, s.nds_rate, s.currency;
