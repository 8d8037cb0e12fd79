-- How well scores tell fraud, as far as labels have come: views over the public names of scores and labels, for whoever asks in SQL.
-- They read rows, not rollups, since a label changes what an old score was worth: ask for a range of occurred_at or of days.

CREATE OR REPLACE VIEW {{database}}.labelled_scores
(
    trn_id UUID COMMENT 'Id of the transaction across systems.',
    customer_id String COMMENT 'Customer who pays.',
    transaction_id String COMMENT 'Client''s id of the transaction, unique within the customer.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the transaction took place. UTC, milliseconds.',
    amount Decimal(18, 4) COMMENT 'Amount in units of the currency.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amount. Amounts of several currencies must not be added.',
    scoring Float64 COMMENT 'Risk, 0 to 1.',
    decision LowCardinality(String) COMMENT 'What to do with the transaction: allow, review or block.',
    decision_source LowCardinality(String) COMMENT 'What decided: model, rules or default.',
    model LowCardinality(Nullable(String)) COMMENT 'Model id and hash; null where rules alone decided.',
    shadow_model LowCardinality(Nullable(String)) COMMENT 'Version of the model that scored beside it; null where there was none.',
    shadow_scoring Nullable(Float64) COMMENT 'What that made of it, 0 to 1; null where it gave nothing in time.',
    configuration LowCardinality(String) COMMENT 'Version of rules and thresholds that were in force.',
    reason_codes Array(String) COMMENT 'Codes of the reasons, the largest contribution first.',
    label Nullable(String) COMMENT 'The last label by decided_at: fraud, legitimate or chargeback; null while there is none.',
    is_fraud Nullable(Bool) COMMENT 'Whether that is fraud or chargeback; null while there is none.',
    decided_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the label was decided, by its source''s statement.',
    labelled_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the broker appended it.'
)
COMMENT 'One row for each score, with what the transaction turned out to be.'
AS SELECT
    s.trn_id AS trn_id,
    s.customer_id AS customer_id,
    s.transaction_id AS transaction_id,
    s.occurred_at AS occurred_at,
    s.amount AS amount,
    s.currency AS currency,
    s.scoring AS scoring,
    s.decision AS decision,
    s.decision_source AS decision_source,
    s.model AS model,
    s.shadow_model AS shadow_model,
    s.shadow_scoring AS shadow_scoring,
    s.configuration AS configuration,
    CAST(arrayMap(reason -> reason.code, s.reasons), 'Array(String)') AS reason_codes,
    if(l.statements = 0, NULL, l.last.1) AS label,
    if(l.statements = 0, NULL, toBool(l.last.1 IN ('fraud', 'chargeback'))) AS is_fraud,
    if(l.statements = 0, NULL, l.last.2) AS decided_at,
    if(l.statements = 0, NULL, l.last.3) AS labelled_at
FROM {{database}}.transaction_scores AS s
LEFT JOIN
(
    SELECT
        one.trn_id AS trn_id,
        count() AS statements,
        argMax((toString(one.label), one.decided_at, one._timestamp), (one.decided_at, one._partition, one._offset)) AS last
    FROM
    (
        -- A statement that was sent again has the id of the first and says nothing more.
        SELECT trn_id, label, decided_at, _timestamp, _partition, _offset
        FROM {{database}}.labels
        ORDER BY _offset
        LIMIT 1 BY customer_id, label_id
    ) AS one
    GROUP BY one.trn_id
) AS l ON l.trn_id = s.trn_id;

CREATE OR REPLACE VIEW {{database}}.grades_1d
(
    day Date COMMENT 'UTC day on which the transactions took place.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    decision_source LowCardinality(String) COMMENT 'What decided: model, rules or default.',
    transactions UInt64 COMMENT 'Transactions.',
    labelled UInt64 COMMENT 'Those of them that have a label.',
    alerts UInt64 COMMENT 'Transactions decided review or block.',
    labelled_alerts UInt64 COMMENT 'Those of the alerts that have a label.',
    frauds UInt64 COMMENT 'Transactions labelled fraud or chargeback.',
    caught UInt64 COMMENT 'Frauds that were alerts.',
    fraud_amount Decimal(38, 4) COMMENT 'Sum of the frauds'' amounts, in units of the currency.',
    caught_amount Decimal(38, 4) COMMENT 'Sum of the amounts of frauds that were alerts, in units of the currency.',
    false_alarm_amount Decimal(38, 4) COMMENT 'Sum of the amounts of alerts labelled legitimate, in units of the currency.',
    label_maturity Float64 COMMENT 'Share of the transactions that have a label.',
    precision Nullable(Float64) COMMENT 'Share of the labelled alerts that are frauds; null without one.',
    recall Nullable(Float64) COMMENT 'Share of the frauds that were alerts; null without one.'
)
COMMENT 'Decisions against labels, by day, currency and what decided. Young days have few labels: see label_maturity.'
AS SELECT
    toDate(s.occurred_at) AS day,
    s.currency AS currency,
    s.decision_source AS decision_source,
    count() AS transactions,
    countIf(isNotNull(s.is_fraud)) AS labelled,
    countIf(s.decision != 'allow') AS alerts,
    countIf(s.decision != 'allow' AND isNotNull(s.is_fraud)) AS labelled_alerts,
    countIf(ifNull(s.is_fraud, false)) AS frauds,
    countIf(s.decision != 'allow' AND ifNull(s.is_fraud, false)) AS caught,
    sumIf(s.amount, ifNull(s.is_fraud, false)) AS fraud_amount,
    sumIf(s.amount, s.decision != 'allow' AND ifNull(s.is_fraud, false)) AS caught_amount,
    sumIf(s.amount, s.decision != 'allow' AND NOT ifNull(s.is_fraud, true)) AS false_alarm_amount,
    labelled / transactions AS label_maturity,
    if(labelled_alerts = 0, NULL, caught / labelled_alerts) AS precision,
    if(frauds = 0, NULL, caught / frauds) AS recall
FROM {{database}}.labelled_scores AS s
GROUP BY day, currency, decision_source;

CREATE OR REPLACE VIEW {{database}}.thresholds_1d
(
    day Date COMMENT 'UTC day on which the transactions took place.',
    threshold Float64 COMMENT 'Score from which on a transaction would be an alert: 0.05, 0.1, and so on to 0.95.',
    alerts UInt64 COMMENT 'Transactions with at least that score.',
    labelled_alerts UInt64 COMMENT 'Those of the alerts that have a label.',
    frauds UInt64 COMMENT 'Transactions labelled fraud or chargeback, whatever their score.',
    caught UInt64 COMMENT 'Frauds among the alerts.',
    precision Nullable(Float64) COMMENT 'Share of the labelled alerts that are frauds; null without one.',
    recall Nullable(Float64) COMMENT 'Share of the frauds that are alerts; null without one.'
)
COMMENT 'What other thresholds would have come to, by day, of scores that were no default.'
AS SELECT
    toDate(s.occurred_at) AS day,
    arrayJoin(range(1, 20)) / 20 AS threshold,
    countIf(s.scoring >= threshold) AS alerts,
    countIf(s.scoring >= threshold AND isNotNull(s.is_fraud)) AS labelled_alerts,
    countIf(ifNull(s.is_fraud, false)) AS frauds,
    countIf(s.scoring >= threshold AND ifNull(s.is_fraud, false)) AS caught,
    if(labelled_alerts = 0, NULL, caught / labelled_alerts) AS precision,
    if(frauds = 0, NULL, caught / frauds) AS recall
FROM {{database}}.labelled_scores AS s
WHERE s.decision_source != 'default'
GROUP BY day, threshold;

CREATE OR REPLACE VIEW {{database}}.card_precision_1d
(
    day Date COMMENT 'UTC day on which the transactions took place.',
    cards UInt64 COMMENT 'Customers with the highest scores of the day that were looked at: the view''s parameter, or all where there are fewer.',
    frauds UInt64 COMMENT 'Those of them with a fraud on that day.',
    precision Float64 COMMENT 'frauds / cards.'
)
COMMENT 'Card precision at k: of the customers with the highest scores of a day, the share with a fraud on it. A view with a parameter: FROM card_precision_1d(cards = 100). Unlike a grading, it leaves nobody out who was found before.'
AS SELECT
    c.day AS day,
    count() AS cards,
    countIf(c.has_fraud) AS frauds,
    frauds / cards AS precision
FROM
(
    SELECT
        toDate(s.occurred_at) AS day,
        s.customer_id AS customer_id,
        max(s.scoring) AS highest,
        max(ifNull(s.is_fraud, false)) AS has_fraud
    FROM {{database}}.labelled_scores AS s
    WHERE s.decision_source != 'default'
    GROUP BY day, customer_id
    ORDER BY day, highest DESC, customer_id
    LIMIT {cards:UInt64} BY day
) AS c
GROUP BY c.day;

CREATE OR REPLACE VIEW {{database}}.drift
(
    name String COMMENT 'Feature, or scoring.',
    reference UInt64 COMMENT 'Values in the reference period.',
    current UInt64 COMMENT 'Values in the current period.',
    psi Float64 COMMENT 'Population stability index over ten parts of the reference period, equally large where values allow it; no share counts as less than 0.0001. By convention, below 0.1 is stable and above 0.25 is to be acted on.'
)
COMMENT 'How far the score and each feature have moved. A view with parameters: FROM drift(reference_from = ''2026-01-01'', reference_to = ''2026-02-01'', current_from = ''2026-02-01'', current_to = ''2026-02-08''), each up to before its end.'
AS WITH
    known AS
    (
        SELECT
            s.occurred_at >= {current_from:DateTime64(3, 'UTC')} AND s.occurred_at < {current_to:DateTime64(3, 'UTC')} AS is_current,
            s.occurred_at >= {reference_from:DateTime64(3, 'UTC')} AND s.occurred_at < {reference_to:DateTime64(3, 'UTC')} AS is_reference,
            arrayJoin(arrayConcat([('scoring', s.scoring)], arrayZip(mapKeys(s.features)::Array(String), mapValues(s.features)))) AS value
        FROM {{database}}.transaction_scores AS s
        WHERE s.decision_source != 'default' AND (is_current OR is_reference)
    ),
    parts AS
    (
        SELECT
            k.value.1 AS name,
            arrayDistinct(quantilesExactIf(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)(k.value.2, k.is_reference)) AS edges
        FROM known AS k
        GROUP BY name
        HAVING countIf(k.is_reference) > 0
    ),
    counted AS
    (
        SELECT
            p.name AS name,
            arrayCount(edge -> k.value.2 > edge, p.edges) AS part,
            countIf(k.is_reference) AS reference,
            countIf(k.is_current) AS current
        FROM known AS k
        INNER JOIN parts AS p ON p.name = k.value.1
        GROUP BY name, part
    ),
    shares AS
    (
        SELECT
            c.name AS name,
            c.reference AS reference,
            c.current AS current,
            greatest(c.reference / sum(c.reference) OVER (PARTITION BY c.name), 0.0001) AS expected,
            greatest(c.current / sum(c.current) OVER (PARTITION BY c.name), 0.0001) AS found
        FROM counted AS c
    )
SELECT
    h.name AS name,
    sum(h.reference) AS reference,
    sum(h.current) AS current,
    sum((h.found - h.expected) * log(h.found / h.expected)) AS psi
FROM shares AS h
GROUP BY h.name
HAVING current > 0;

CREATE OR REPLACE VIEW {{database}}.shadow_grades
(
    model LowCardinality(String) COMMENT 'What decided: a model''s id and hash, or rules.',
    shadow_model LowCardinality(String) COMMENT 'Version of the model that scored beside it.',
    transactions UInt64 COMMENT 'Transactions that both scored.',
    missing UInt64 COMMENT 'Transactions that one of them did not score in time; they are in no other figure.',
    labelled UInt64 COMMENT 'Those of `transactions` that have a label; AUC and average precision are of them.',
    frauds UInt64 COMMENT 'Labelled fraud or chargeback.',
    mean_distance Float64 COMMENT 'Mean distance of the two scores.',
    auc Nullable(Float64) COMMENT 'Area under the ROC curve of what decided; null unless there are frauds and others.',
    shadow_auc Nullable(Float64) COMMENT 'The same of the shadow.',
    average_precision Nullable(Float64) COMMENT 'Average precision of what decided; null unless there are frauds and others.',
    shadow_average_precision Nullable(Float64) COMMENT 'The same of the shadow.'
)
COMMENT 'What decided beside its shadow, on the same transactions. A view with parameters: FROM shadow_grades(from = ''2026-01-01'', to = ''2026-02-01'').'
AS WITH pairs AS
(
    SELECT
        ifNull(s.model, 'rules') AS model,
        assumeNotNull(s.shadow_model) AS shadow_model,
        s.scoring AS scoring,
        s.shadow_scoring AS shadow_scoring,
        s.decision_source != 'default' AND s.shadow_scoring IS NOT NULL AS is_pair,
        is_pair AND s.is_fraud IS NOT NULL AS is_labelled,
        ifNull(s.is_fraud, false) AS is_fraud
    FROM {{database}}.labelled_scores AS s
    WHERE s.shadow_model IS NOT NULL
        AND s.occurred_at >= {from:DateTime64(3, 'UTC')} AND s.occurred_at < {to:DateTime64(3, 'UTC')}
)
SELECT
    p.model AS model,
    p.shadow_model AS shadow_model,
    countIf(p.is_pair) AS transactions,
    countIf(NOT p.is_pair) AS missing,
    countIf(p.is_labelled) AS labelled,
    countIf(p.is_labelled AND p.is_fraud) AS frauds,
    avgIf(abs(p.scoring - assumeNotNull(p.shadow_scoring)), p.is_pair) AS mean_distance,
    if(frauds IN (0, labelled), NULL, arrayROCAUC(groupArrayIf(p.scoring, p.is_labelled) AS scores, groupArrayIf(p.is_fraud, p.is_labelled) AS truth)) AS auc,
    if(frauds IN (0, labelled), NULL, arrayROCAUC(groupArrayIf(assumeNotNull(p.shadow_scoring), p.is_labelled) AS shadows, truth)) AS shadow_auc,
    if(frauds IN (0, labelled), NULL, arrayAUCPR(scores, truth)) AS average_precision,
    if(frauds IN (0, labelled), NULL, arrayAUCPR(shadows, truth)) AS shadow_average_precision
FROM pairs AS p
GROUP BY p.model, p.shadow_model;
