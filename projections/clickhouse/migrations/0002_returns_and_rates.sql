-- Which receipt a return is of, and rates of VAT by line. Rows from before have none: the receipts did not say.

ALTER TABLE {{database}}.receipts_{{set}}
    ADD COLUMN IF NOT EXISTS original_transaction_id Nullable(String) COMMENT 'On a return: till''s id of the receipt whose goods came back, where known.' CODEC(ZSTD(1)) AFTER payment_transaction_id,
    ADD COLUMN IF NOT EXISTS original_trn_id Nullable(UUID) COMMENT 'Id of that receipt across systems: join it with trn_id.' CODEC(NONE) AFTER original_transaction_id;

ALTER TABLE {{database}}.receipt_items_{{set}}
    ADD COLUMN IF NOT EXISTS nds_rate Nullable(Decimal(18, 4)) COMMENT 'VAT rate in percent, where known.' CODEC(ZSTD(1)) AFTER category;
