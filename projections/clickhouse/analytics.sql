-- The figures people ask for, as views with parameters: FROM place_figures(from = '2026-03-01', to = '2026-04-01', interval = 'day',
-- zone = 'Europe/Berlin'). They read the rollups of the live set, never rows of events. What all of them have in common:
--
-- * from and to are instants in UTC, to excluded, on a quarter of an hour: that is the rollups' grain.
-- * interval is 15m, 30m and so on (any multiple of 15 minutes below a day), 1h and so on, day, week (from Monday), month, or all: one
--   row for the whole period. Days, weeks and months begin at midnight in zone, and so do the shorter ones: 6h is midnight, six, noon
--   and six by the zone's clock. Where that clock goes back, what it shows twice is two rows, or one longer one where the interval is
--   longer than the shift.
-- * zone is a name of the IANA time zone database.
-- * Purchases are receipts with a total above zero; the mean receipt is of their gross totals, VAT in, tips out, rounded half-even to
--   4 digits. Returns have columns of their own and are booked when they happened. Nothing is summed across currencies.

CREATE OR REPLACE VIEW {{database}}.calendar
(
    bucket DateTime('UTC') COMMENT 'Start of 15 minutes, UTC.',
    start DateTime('UTC') COMMENT 'Start of the interval that these 15 minutes belong to, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC: 2026-03-29T00:00:00+01:00.'
)
COMMENT 'Which interval each 15 minutes of a period belong to. A view with parameters: FROM calendar(from = ''2026-03-29'', to = ''2026-03-30'', interval = ''1h'', zone = ''Europe/Berlin'').'
AS WITH
    quarters AS
    (
        SELECT toDateTime((intDiv(toUInt32({from:DateTime('UTC')}) + 899, 900) + number) * 900, 'UTC') AS bucket
        FROM numbers(toUInt64(greatest(0,
            intDiv(toInt64(toUInt32({to:DateTime('UTC')})) + 899, 900) - intDiv(toInt64(toUInt32({from:DateTime('UTC')})) + 899, 900))))
    )
SELECT
    s.bucket AS bucket,
    s.start AS start,
    {{start_local}}
FROM {{by_interval}}(quarters) AS s;

CREATE OR REPLACE VIEW {{database}}.place_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'Name of the place on its last receipt of the interval.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
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
COMMENT 'Receipts by interval, place and currency. A view with parameters: from, to, interval, zone.'
AS WITH
    {{mean_of}}
SELECT
    s.start AS start,
    {{start_local}},
    s.place_id AS place_id,
    argMax(s.place_name, s.last_offset) AS place_name,
    s.currency AS currency,
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
FROM {{by_interval}}({{database}}.place_stats_15m_{{set}}) AS s
GROUP BY s.start, s.place_id, s.currency;

CREATE OR REPLACE VIEW {{database}}.category_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
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
COMMENT 'Receipt lines by interval, category and currency. A view with parameters: from, to, interval, zone.'
AS SELECT
    s.start AS start,
    {{start_local}},
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
FROM {{by_interval}}({{database}}.category_stats_15m_{{set}}) AS s
GROUP BY s.start, s.category, s.currency;

CREATE OR REPLACE VIEW {{database}}.nds_rate_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
    nds_rate LowCardinality(String) COMMENT 'VAT rate in percent, such as 20 or 5.5; empty where the till named none.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchase_lines UInt64 COMMENT 'Lines of purchases.',
    purchase_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency.',
    return_lines UInt64 COMMENT 'Lines of returns.',
    return_amount Decimal(38, 4) COMMENT 'Sum of their amounts, VAT included, in units of the currency; normally negative.',
    zero_lines UInt64 COMMENT 'Lines of receipts with nothing to pay.',
    zero_amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency; within the tolerance of totals.'
)
COMMENT 'Receipt lines by interval, VAT rate and currency. A view with parameters: from, to, interval, zone.'
AS SELECT
    s.start AS start,
    {{start_local}},
    s.nds_rate AS nds_rate,
    s.currency AS currency,
    sum(s.purchase_lines) AS purchase_lines,
    sum(s.purchase_amount) AS purchase_amount,
    sum(s.return_lines) AS return_lines,
    sum(s.return_amount) AS return_amount,
    sum(s.zero_lines) AS zero_lines,
    sum(s.zero_amount) AS zero_amount
FROM {{by_interval}}({{database}}.nds_rate_stats_15m_{{set}}) AS s
GROUP BY s.start, s.nds_rate, s.currency;

CREATE OR REPLACE VIEW {{database}}.payment_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
    payment_method LowCardinality(String) COMMENT 'Means of payment, as the till names it.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchases UInt64 COMMENT 'Receipts with a total above zero.',
    purchase_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds Decimal(38, 4) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips Decimal(38, 4) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    mean_receipt Nullable(Decimal(38, 4)) COMMENT 'purchase_total by purchases, in units of the currency, rounded half-even; null without purchases.',
    tipped UInt64 COMMENT 'Receipts of any kind with a tip.',
    returns UInt64 COMMENT 'Receipts with a total below zero.',
    return_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds Decimal(38, 4) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips Decimal(38, 4) COMMENT 'Tips on returns, in units of the currency.',
    zeros UInt64 COMMENT 'Receipts with nothing to pay.',
    zero_tips Decimal(38, 4) COMMENT 'Tips on those, in units of the currency.'
)
COMMENT 'VAT and tips by interval, means of payment and currency. A view with parameters: from, to, interval, zone.'
AS WITH
    {{mean_of}}
SELECT
    s.start AS start,
    {{start_local}},
    s.payment_method AS payment_method,
    s.currency AS currency,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    mean_of(sum(s.purchase_total), nullIf(sum(s.purchases), 0)) AS mean_receipt,
    sum(s.tipped) AS tipped,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{by_interval}}({{database}}.tax_tip_stats_15m_{{set}}) AS s
GROUP BY s.start, s.payment_method, s.currency;

CREATE OR REPLACE VIEW {{database}}.tax_tip_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchases UInt64 COMMENT 'Receipts with a total above zero.',
    purchase_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    purchase_nds Decimal(38, 4) COMMENT 'VAT contained in purchase_total, in units of the currency.',
    purchase_tips Decimal(38, 4) COMMENT 'Tips on top of purchase_total, in units of the currency.',
    mean_receipt Nullable(Decimal(38, 4)) COMMENT 'purchase_total by purchases, in units of the currency, rounded half-even; null without purchases.',
    tipped UInt64 COMMENT 'Receipts of any kind with a tip.',
    returns UInt64 COMMENT 'Receipts with a total below zero.',
    return_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    return_nds Decimal(38, 4) COMMENT 'VAT contained in return_total, in units of the currency; negative.',
    return_tips Decimal(38, 4) COMMENT 'Tips on returns, in units of the currency.',
    zeros UInt64 COMMENT 'Receipts with nothing to pay.',
    zero_tips Decimal(38, 4) COMMENT 'Tips on those, in units of the currency.'
)
COMMENT 'VAT and tips by interval and currency, whatever the means of payment. A view with parameters: from, to, interval, zone.'
AS WITH
    {{mean_of}}
SELECT
    s.start AS start,
    {{start_local}},
    s.currency AS currency,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    mean_of(sum(s.purchase_total), nullIf(sum(s.purchases), 0)) AS mean_receipt,
    sum(s.tipped) AS tipped,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{by_interval}}({{database}}.tax_tip_stats_15m_{{set}}) AS s
GROUP BY s.start, s.currency;

CREATE OR REPLACE VIEW {{database}}.load_figures
(
    hour UInt8 COMMENT 'Hour of the day by the zone''s clock, 0 to 23.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    purchases UInt64 COMMENT 'Receipts with a total above zero.',
    purchase_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency.',
    mean_receipt Nullable(Decimal(38, 4)) COMMENT 'purchase_total by purchases, in units of the currency, rounded half-even; null without purchases.',
    returns UInt64 COMMENT 'Receipts with a total below zero.',
    return_total Decimal(38, 4) COMMENT 'Sum of their totals, VAT included, in units of the currency; negative.',
    zeros UInt64 COMMENT 'Receipts with nothing to pay.',
    transactions UInt64 COMMENT 'Card transactions.',
    transaction_amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency.',
    blocked UInt64 COMMENT 'Transactions decided block.'
)
COMMENT 'Receipts and transactions by hour of the day and currency: when the day is busy. A view with parameters: from, to, zone.'
AS WITH
    {{mean_of}}
SELECT
    u.hour AS hour,
    u.currency AS currency,
    sum(u.purchases) AS purchases,
    sum(u.purchase_total) AS purchase_total,
    mean_of(sum(u.purchase_total), nullIf(sum(u.purchases), 0)) AS mean_receipt,
    sum(u.returns) AS returns,
    sum(u.return_total) AS return_total,
    sum(u.zeros) AS zeros,
    sum(u.transactions) AS transactions,
    sum(u.transaction_amount) AS transaction_amount,
    sum(u.blocked) AS blocked
FROM
(
    SELECT
        toHour(s.bucket, {zone:String}) AS hour,
        s.currency AS currency,
        sum(s.purchases) AS purchases,
        sum(s.purchase_total) AS purchase_total,
        sum(s.returns) AS returns,
        sum(s.return_total) AS return_total,
        sum(s.zeros) AS zeros,
        toUInt64(0) AS transactions,
        toDecimal128(0, 4) AS transaction_amount,
        toUInt64(0) AS blocked
    FROM {{database}}.tax_tip_stats_15m_{{set}} AS s
    WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
    GROUP BY hour, s.currency
    UNION ALL
    SELECT
        toHour(s.bucket, {zone:String}) AS hour,
        s.currency AS currency,
        toUInt64(0) AS purchases,
        toDecimal128(0, 4) AS purchase_total,
        toUInt64(0) AS returns,
        toDecimal128(0, 4) AS return_total,
        toUInt64(0) AS zeros,
        sum(s.transactions) AS transactions,
        sum(s.amount) AS transaction_amount,
        sum(s.blocked) AS blocked
    FROM {{database}}.transaction_stats_1m_{{set}} AS s
    WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
    GROUP BY hour, s.currency
) AS u
GROUP BY u.hour, u.currency;

CREATE OR REPLACE VIEW {{database}}.transaction_figures
(
    start DateTime('UTC') COMMENT 'Start of the interval, UTC.',
    start_local String COMMENT 'The same by the zone''s clock, with its offset from UTC.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    transactions UInt64 COMMENT 'Transactions.',
    amount Decimal(38, 4) COMMENT 'Sum of their amounts, in units of the currency.',
    mean_amount Decimal(38, 4) COMMENT 'Mean amount, in units of the currency, rounded half-even.',
    allowed UInt64 COMMENT 'Transactions of low risk: decided allow.',
    reviewed UInt64 COMMENT 'Transactions of middling risk: decided review.',
    blocked UInt64 COMMENT 'Transactions of high risk: decided block.',
    blocked_amount Decimal(38, 4) COMMENT 'Sum of the blocked amounts, in units of the currency.',
    defaulted UInt64 COMMENT 'Transactions that neither model nor rules could score.',
    late UInt64 COMMENT 'Transactions that came later than the lateness.',
    mean_scoring Float64 COMMENT 'Mean score, 0 to 1.',
    max_scoring Float64 COMMENT 'Highest score, 0 to 1.'
)
COMMENT 'Transactions by interval and currency, with how many were decided what. A view with parameters: from, to, interval, zone.'
AS WITH
    {{mean_of}}
SELECT
    s.start AS start,
    {{start_local}},
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
FROM {{by_interval}}({{database}}.transaction_stats_1m_{{set}}) AS s
GROUP BY s.start, s.currency;

CREATE OR REPLACE VIEW {{database}}.customer_figures
(
    start Date COMMENT 'First day of the interval, UTC.',
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
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the interval''s first transaction, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the interval''s last transaction, UTC.'
)
COMMENT 'Transactions by interval, customer and currency. Customers are rolled up by UTC day, so intervals are day, week, month or all, in UTC. A view with parameters: from, to (dates, to excluded), interval.'
AS WITH
    {{mean_of}},
    throwIf({interval:String} NOT IN ('all', 'month', 'week', 'day'), 'interval must be day, week, month or all') AS refused
SELECT
    multiIf(
        {interval:String} = 'all', {from:Date},
        {interval:String} = 'month', toStartOfMonth(s.day),
        {interval:String} = 'week', toMonday(s.day),
        s.day) + refused AS start,
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
WHERE s.day >= {from:Date} AND s.day < {to:Date}
GROUP BY start, s.customer_id, s.currency;

CREATE OR REPLACE VIEW {{database}}.fallback_1d
(
    day Date COMMENT 'UTC day on which the transactions took place.',
    transactions UInt64 COMMENT 'Transactions.',
    defaulted UInt64 COMMENT 'Those that neither model nor rules could score.',
    fallback_share Float64 COMMENT 'defaulted by transactions.'
)
COMMENT 'How many scores were defaults, by day.'
AS SELECT
    toDate(s.bucket) AS day,
    sum(s.transactions) AS transactions,
    sum(s.defaulted) AS defaulted,
    sum(s.defaulted) / sum(s.transactions) AS fallback_share
FROM {{database}}.transaction_stats_1m_{{set}} AS s
GROUP BY day;
