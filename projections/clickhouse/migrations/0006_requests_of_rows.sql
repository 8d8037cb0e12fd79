-- Which request brought a row's journal record, from the headers that derived records carry on: so a single accepted item, which has
-- no record among the requests, is found by its request, and so is what became of every item of a batch.

ALTER TABLE {{database}}.transactions_{{set}} ADD COLUMN IF NOT EXISTS
    request_id Nullable(String) COMMENT 'Id of the request that brought the transaction; null when it was produced directly.' CODEC(ZSTD(1)) AFTER source_timestamp;

ALTER TABLE {{database}}.transactions_{{set}} ADD COLUMN IF NOT EXISTS
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)) AFTER request_id;

ALTER TABLE {{database}}.transactions_{{set}} ADD INDEX IF NOT EXISTS
    request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS
    request_id Nullable(String) COMMENT 'Id of the request that brought the transaction; null when it was produced directly.' CODEC(ZSTD(1)) AFTER source_timestamp;

ALTER TABLE {{database}}.transaction_scores_{{set}} ADD COLUMN IF NOT EXISTS
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)) AFTER request_id;

ALTER TABLE {{database}}.transaction_scores_{{set}} ADD INDEX IF NOT EXISTS
    request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE {{database}}.receipts_{{set}} ADD COLUMN IF NOT EXISTS
    request_id Nullable(String) COMMENT 'Id of the request that brought the receipt; null when it was produced directly.' CODEC(ZSTD(1)) AFTER source_timestamp;

ALTER TABLE {{database}}.receipts_{{set}} ADD COLUMN IF NOT EXISTS
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)) AFTER request_id;

ALTER TABLE {{database}}.receipts_{{set}} ADD INDEX IF NOT EXISTS
    request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE {{database}}.duplicates_{{set}} ADD COLUMN IF NOT EXISTS
    request_id Nullable(String) COMMENT 'Id of the request that brought the later record; null when it was produced directly.' CODEC(ZSTD(1)) AFTER event_id;

ALTER TABLE {{database}}.duplicates_{{set}} ADD COLUMN IF NOT EXISTS
    request_index Nullable(Int32) COMMENT 'Position in that request''s batch, from 0; null when the request was one item.' CODEC(ZSTD(1)) AFTER request_id;

ALTER TABLE {{database}}.duplicates_{{set}} ADD INDEX IF NOT EXISTS
    request_ids ifNull(request_id, '') TYPE bloom_filter(0.01) GRANULARITY 1;
