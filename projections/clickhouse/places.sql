-- Places by the names on their receipts.

CREATE OR REPLACE VIEW {{database}}.place_name_stats_1d
(
    day Date COMMENT 'Day on which the receipts were made out, UTC.',
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'A name it had on that day.',
    receipts UInt64 COMMENT 'Receipts with that name, of any kind.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s first receipt with it, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the day''s last receipt with it, UTC.'
)
COMMENT 'Names of places by day.'
AS SELECT
    s.day AS day,
    s.place_id AS place_id,
    s.place_name AS place_name,
    sum(s.receipts) AS receipts,
    min(s.first_at) AS first_at,
    max(s.last_at) AS last_at
FROM {{database}}.place_name_stats_1d_{{set}} AS s
GROUP BY s.day, s.place_id, s.place_name;

CREATE OR REPLACE VIEW {{database}}.places
(
    place_id String COMMENT 'Place of purchase.',
    place_name String COMMENT 'Its name on the last receipt, by the receipts'' own times.',
    receipts UInt64 COMMENT 'Receipts of any kind.',
    first_at DateTime64(3, 'UTC') COMMENT 'Time of the first receipt, UTC.',
    last_at DateTime64(3, 'UTC') COMMENT 'Time of the last receipt, UTC.',
    names Array(Tuple(name String, first_at DateTime64(3, 'UTC'), last_at DateTime64(3, 'UTC'), receipts UInt64)) COMMENT 'Every name it had, with the times of the first and the last receipt with it and their number; in the order the names first came.'
)
COMMENT 'Places of purchase with the names they had.'
AS SELECT
    n.place_id AS place_id,
    argMax(n.place_name, n.last_offset) AS place_name,
    sum(n.receipts) AS receipts,
    min(n.first_at) AS first_at,
    max(n.last_at) AS last_at,
    arraySort(name -> (name.2, name.1), groupArray((n.place_name, n.first_at, n.last_at, n.receipts))) AS names
FROM
(
    SELECT
        s.place_id AS place_id,
        s.place_name AS place_name,
        sum(s.receipts) AS receipts,
        min(s.first_at) AS first_at,
        max(s.last_at) AS last_at,
        max(s.last_offset) AS last_offset
    FROM {{database}}.place_name_stats_1d_{{set}} AS s
    GROUP BY s.place_id, s.place_name
) AS n
GROUP BY n.place_id;
