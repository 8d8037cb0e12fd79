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
    -- Length of an interval shorter than a day, in seconds; others have no fixed one.
    multiIf(
        {interval:String} IN ('all', 'month', 'week', 'day'), toUInt64(900),
        match({interval:String}, '^[0-9]{1,4}m$'), toUInt64OrZero(substring({interval:String}, 1, length({interval:String}) - 1)) * 60,
        match({interval:String}, '^[0-9]{1,2}h$'), toUInt64OrZero(substring({interval:String}, 1, length({interval:String}) - 1)) * 3600,
        toUInt64(0)) AS seconds,
    throwIf(seconds = 0 OR seconds % 900 != 0 OR seconds >= 86400,
        'interval must be a multiple of 15 minutes below a day such as 15m or 6h, day, week, month or all') AS refused,
    slots AS
    (
        SELECT
            toDateTime((intDiv(toUInt32({from:DateTime('UTC')}) + 899, 900) + number) * 900, 'UTC') AS bucket,
            toInt64(toUInt32(bucket)) AS at,
            toInt64(toUInt32(toStartOfDay(bucket, {zone:String}))) AS midnight,
            timeZoneOffset(toTimeZone(bucket, {zone:String})) AS offset,
            -- What the clock was moved by since midnight.
            offset - timeZoneOffset(toDateTime(midnight, {zone:String})) AS moved,
            intDiv(at - midnight + moved, toInt64(greatest(seconds, 1))) * toInt64(seconds) AS shown,
            timeZoneOffset(toDateTime(midnight + shown - moved, {zone:String})) = offset AS after_move
        FROM numbers(toUInt64(greatest(0,
            intDiv(toInt64(toUInt32({to:DateTime('UTC')})) + 899, 900) - intDiv(toInt64(toUInt32({from:DateTime('UTC')})) + 899, 900))))
    ),
    starts AS
    (
        SELECT
            bucket,
            toDateTime(multiIf(
                {interval:String} = 'all', toInt64(toUInt32({from:DateTime('UTC')})),
                {interval:String} = 'month', toInt64(toUInt32(toDateTime(toStartOfMonth(bucket, {zone:String}), {zone:String}))),
                {interval:String} = 'week', toInt64(toUInt32(toDateTime(toMonday(bucket, {zone:String}), {zone:String}))),
                {interval:String} = 'day', midnight,
                if(after_move, midnight + shown - moved, midnight + shown)) + refused, 'UTC') AS start,
            timeZoneOffset(toTimeZone(start, {zone:String})) AS east
        FROM slots
    )
SELECT
    s.bucket AS bucket,
    s.start AS start,
    concat(formatDateTime(toTimeZone(s.start, {zone:String}), '%Y-%m-%dT%H:%i:%S'), if(s.east < 0, '-', '+'),
        leftPad(toString(intDiv(abs(s.east), 3600)), 2, '0'), ':', leftPad(toString(intDiv(abs(s.east) % 3600, 60)), 2, '0')) AS start_local
FROM starts AS s;

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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    c.start AS start,
    c.start_local AS start_local,
    s.place_id AS place_id,
    tupleElement(max(s.latest_name), 2) AS place_name,
    s.currency AS currency,
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
FROM {{database}}.place_stats_15m_{{set}} AS s
INNER JOIN {{database}}.calendar(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}, interval = {interval:String}, zone = {zone:String}) AS c
    ON c.bucket = s.bucket
WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
GROUP BY c.start, c.start_local, s.place_id, s.currency;

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
    c.start AS start,
    c.start_local AS start_local,
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
INNER JOIN {{database}}.calendar(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}, interval = {interval:String}, zone = {zone:String}) AS c
    ON c.bucket = s.bucket
WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
GROUP BY c.start, c.start_local, s.category, s.currency;

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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    c.start AS start,
    c.start_local AS start_local,
    s.payment_method AS payment_method,
    s.currency AS currency,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    if(sum(s.purchases) = 0, NULL,
        toDecimal128(half_even(toInt128(sum(s.purchase_total) * 10000), greatest(sum(s.purchases), 1)), 4) / 10000) AS mean_receipt,
    sum(s.tipped) AS tipped,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{database}}.tax_tip_stats_15m_{{set}} AS s
INNER JOIN {{database}}.calendar(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}, interval = {interval:String}, zone = {zone:String}) AS c
    ON c.bucket = s.bucket
WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
GROUP BY c.start, c.start_local, s.payment_method, s.currency;

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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    c.start AS start,
    c.start_local AS start_local,
    s.currency AS currency,
    sum(s.purchases) AS purchases,
    sum(s.purchase_total) AS purchase_total,
    sum(s.purchase_nds) AS purchase_nds,
    sum(s.purchase_tips) AS purchase_tips,
    if(sum(s.purchases) = 0, NULL,
        toDecimal128(half_even(toInt128(sum(s.purchase_total) * 10000), greatest(sum(s.purchases), 1)), 4) / 10000) AS mean_receipt,
    sum(s.tipped) AS tipped,
    sum(s.returns) AS returns,
    sum(s.return_total) AS return_total,
    sum(s.return_nds) AS return_nds,
    sum(s.return_tips) AS return_tips,
    sum(s.zeros) AS zeros,
    sum(s.zero_tips) AS zero_tips
FROM {{database}}.tax_tip_stats_15m_{{set}} AS s
INNER JOIN {{database}}.calendar(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}, interval = {interval:String}, zone = {zone:String}) AS c
    ON c.bucket = s.bucket
WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
GROUP BY c.start, c.start_local, s.currency;

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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    u.hour AS hour,
    u.currency AS currency,
    sum(u.purchases) AS purchases,
    sum(u.purchase_total) AS purchase_total,
    if(sum(u.purchases) = 0, NULL,
        toDecimal128(half_even(toInt128(sum(u.purchase_total) * 10000), greatest(sum(u.purchases), 1)), 4) / 10000) AS mean_receipt,
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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even
SELECT
    c.start AS start,
    c.start_local AS start_local,
    s.currency AS currency,
    sum(s.transactions) AS transactions,
    sum(s.amount) AS amount,
    toDecimal128(half_even(toInt128(sum(s.amount) * 10000), sum(s.transactions)), 4) / 10000 AS mean_amount,
    sum(s.allowed) AS allowed,
    sum(s.reviewed) AS reviewed,
    sum(s.blocked) AS blocked,
    sum(s.blocked_amount) AS blocked_amount,
    sum(s.defaulted) AS defaulted,
    sum(s.late) AS late,
    sum(s.scoring_millionths) / 1000000 / sum(s.transactions) AS mean_scoring,
    max(s.max_scoring) AS max_scoring
FROM {{database}}.transaction_stats_1m_{{set}} AS s
INNER JOIN {{database}}.calendar(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}, interval = {interval:String}, zone = {zone:String}) AS c
    ON c.bucket = toStartOfFifteenMinutes(s.bucket)
WHERE s.bucket >= {from:DateTime('UTC')} AND s.bucket < {to:DateTime('UTC')}
GROUP BY c.start, c.start_local, s.currency;

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
    (a, n) -> intDiv(2 * a + n, 2 * n) - (modulo(2 * a + n, 2 * n) = 0 AND modulo(intDiv(2 * a + n, 2 * n), 2) = 1) AS half_even,
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
    toDecimal128(half_even(toInt128(sum(s.amount) * 10000), sum(s.transactions)), 4) / 10000 AS mean_amount,
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

CREATE OR REPLACE VIEW {{database}}.place_directory
(
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'Its name on its last receipt.',
    names UInt64 COMMENT 'How many names it has had; place_names has them.',
    first_at DateTime('UTC') COMMENT 'Start of the 15 minutes of its first receipt, UTC.',
    last_at DateTime('UTC') COMMENT 'Start of the 15 minutes of its last receipt, UTC.',
    purchases UInt64 COMMENT 'Receipts with a total above zero, in all currencies.',
    returns UInt64 COMMENT 'Receipts with a total below zero, in all currencies.',
    currencies Array(String) COMMENT 'ISO 4217 codes of its receipts, in their order.'
)
COMMENT 'Every place that ever made out a receipt.'
AS SELECT
    s.place_id AS place_id,
    tupleElement(max(s.latest), 2) AS place_name,
    uniqExact(tupleElement(s.latest, 2)) AS names,
    min(s.bucket) AS first_at,
    max(s.bucket) AS last_at,
    sum(s.purchases) AS purchases,
    sum(s.returns) AS returns,
    arraySort(groupUniqArrayArray(s.currencies)) AS currencies
FROM
(
    -- What a bucket says first, whatever parts it lies in.
    SELECT
        place_id,
        bucket,
        max(latest_name) AS latest,
        sum(purchases) AS purchases,
        sum(returns) AS returns,
        groupUniqArray(toString(currency)) AS currencies
    FROM {{database}}.place_stats_15m_{{set}}
    GROUP BY place_id, bucket
) AS s
GROUP BY s.place_id;

CREATE OR REPLACE VIEW {{database}}.place_names
(
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'A name it had at the end of some 15 minutes.',
    first_at DateTime('UTC') COMMENT 'Start of the first such 15 minutes, UTC.',
    last_at DateTime('UTC') COMMENT 'Start of the last such 15 minutes, UTC.',
    purchases UInt64 COMMENT 'Receipts with a total above zero in such 15 minutes.'
)
COMMENT 'The names that places had, and when.'
AS SELECT
    s.place_id AS place_id,
    s.place_name AS place_name,
    min(s.bucket) AS first_at,
    max(s.bucket) AS last_at,
    sum(s.purchases) AS purchases
FROM
(
    SELECT place_id, bucket, tupleElement(max(latest_name), 2) AS place_name, sum(purchases) AS purchases
    FROM {{database}}.place_stats_15m_{{set}}
    GROUP BY place_id, bucket
) AS s
GROUP BY s.place_id, s.place_name;

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
