-- Places by the names on their receipts.

CREATE OR REPLACE VIEW {{database}}.place_name_stats_1d
(
    day Date COMMENT 'Day on which the receipts were made out, UTC.',
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'A name it had on that day.',
    receipts UInt64 COMMENT 'Receipts with that name, of any kind.',
    purchases UInt64 COMMENT 'Those with a total above zero.',
    returns UInt64 COMMENT 'Those with a total below zero.',
    currencies Array(String) COMMENT 'ISO 4217 codes of their amounts, sorted.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s first receipt with it, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s last receipt with it, UTC.'
)
COMMENT 'Names of places by day.'
AS SELECT
    s.day AS day,
    s.place_id AS place_id,
    s.place_name AS place_name,
    sum(s.receipts) AS receipts,
    sum(s.purchases) AS purchases,
    sum(s.returns) AS returns,
    arraySort(groupUniqArrayArray(s.currencies)) AS currencies,
    min(s.first_at) AS first_at,
    max(s.last_at) AS last_at
FROM {{database}}.place_name_stats_1d_{{set}} AS s
GROUP BY s.day, s.place_id, s.place_name;

CREATE OR REPLACE VIEW {{database}}.place_names
(
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'A name it had.',
    receipts UInt64 COMMENT 'Receipts with that name, of any kind.',
    purchases UInt64 COMMENT 'Those with a total above zero.',
    returns UInt64 COMMENT 'Those with a total below zero.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the first receipt with it, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the last receipt with it, UTC.'
)
COMMENT 'The names that places had, and when.'
AS SELECT
    s.place_id AS place_id,
    s.place_name AS place_name,
    sum(s.receipts) AS receipts,
    sum(s.purchases) AS purchases,
    sum(s.returns) AS returns,
    min(s.first_at) AS first_at,
    max(s.last_at) AS last_at
FROM {{database}}.place_name_stats_1d_{{set}} AS s
GROUP BY s.place_id, s.place_name;

CREATE OR REPLACE VIEW {{database}}.places
(
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'Its name on the last receipt, by the receipts'' own times.',
    names UInt64 COMMENT 'How many names it has had; place_names has them.',
    receipts UInt64 COMMENT 'Receipts of any kind.',
    purchases UInt64 COMMENT 'Receipts with a total above zero, in all currencies.',
    returns UInt64 COMMENT 'Receipts with a total below zero, in all currencies.',
    currencies Array(String) COMMENT 'ISO 4217 codes of its receipts, sorted.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the first receipt, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the last receipt, UTC.'
)
COMMENT 'Every place that ever made out a receipt.'
AS SELECT
    s.place_id AS place_id,
    argMax(s.place_name, s.last_offset) AS place_name,
    uniqExact(s.place_name) AS names,
    sum(s.receipts) AS receipts,
    sum(s.purchases) AS purchases,
    sum(s.returns) AS returns,
    arraySort(groupUniqArrayArray(s.currencies)) AS currencies,
    min(s.first_at) AS first_at,
    max(s.last_at) AS last_at
FROM {{database}}.place_name_stats_1d_{{set}} AS s
GROUP BY s.place_id;
