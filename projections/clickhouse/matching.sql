-- What matching cannot see: it compares receipts with transactions of the same place.

CREATE OR REPLACE VIEW {{database}}.receipts_paid_elsewhere
(
    trn_id UUID COMMENT 'Id of the receipt across systems.',
    place_id String COMMENT 'Place of the receipt.',
    transaction_id String COMMENT 'Till''s id of the receipt.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the purchase took place. UTC, milliseconds.',
    amount Decimal(18, 4) COMMENT 'The receipt''s total in units of its currency.',
    tips_amount Decimal(18, 4) COMMENT 'Tips on top of it, in units of its currency.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of both.',
    paid_by_trn_id UUID COMMENT 'Id across systems of the transaction it names.',
    paid_by_customer_id String COMMENT 'Customer of that transaction; ids of transactions are unique within a customer, so there may be several.',
    paid_by_merchant_id String COMMENT 'Merchant of that transaction, another place.',
    paid_by_occurred_at DateTime64(3, 'UTC') COMMENT 'When that transaction took place. UTC, milliseconds.',
    paid_by_amount Decimal(18, 4) COMMENT 'Its amount, in units of paid_by_currency.',
    paid_by_currency LowCardinality(String) COMMENT 'ISO 4217 code of its amount.'
)
COMMENT 'Orphaned receipts whose transaction is another place''s, with the figures of both.'
AS SELECT
    m.trn_id AS trn_id,
    m.place_id AS place_id,
    m.transaction_id AS transaction_id,
    m.occurred_at AS occurred_at,
    m.amount AS amount,
    m.tips_amount AS tips_amount,
    m.currency AS currency,
    t.trn_id AS paid_by_trn_id,
    t.customer_id AS paid_by_customer_id,
    t.merchant_id AS paid_by_merchant_id,
    t.occurred_at AS paid_by_occurred_at,
    t.amount AS paid_by_amount,
    t.currency AS paid_by_currency
FROM {{database}}.transactions AS t
INNER JOIN
(
    SELECT * FROM {{database}}.receipt_matches WHERE outcome = 'orphan' AND payment_transaction_id IS NOT NULL
) AS m ON m.payment_transaction_id = t.transaction_id
WHERE t.merchant_id != m.place_id;
