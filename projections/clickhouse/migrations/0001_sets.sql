-- Which set of tables the public names show and the projector fills, and what writers say of themselves. Both are logs: the row with
-- the highest revision is what holds, so a change is one insert, which happens or does not.

CREATE TABLE IF NOT EXISTS {{database}}.projection_switches
(
    revision UInt64 COMMENT 'Place in the order, from 1; the highest holds.',
    live UInt32 COMMENT 'Number of the set that holds from here on.',
    paused_until DateTime64(3, 'UTC') COMMENT 'Until when writers of that set stand still; 1970 for not at all. UTC, milliseconds.',
    why String COMMENT 'What was being done.',
    changed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was changed. UTC, milliseconds.'
)
ENGINE = {{merge_tree}}
ORDER BY (revision, changed_at)
COMMENT 'Which set of tables is live; without a row, the first one is.';

CREATE TABLE IF NOT EXISTS {{database}}.projection_writers
(
    revision UInt64 COMMENT 'Revision of projection_switches that the writer follows.',
    slot UInt32 COMMENT 'Number of the writer among those of the projection.',
    state LowCardinality(String) COMMENT 'writing or paused.',
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Since when. UTC, milliseconds.'
)
ENGINE = {{merge_tree}}
ORDER BY (revision, slot, at)
TTL toDateTime(at) + INTERVAL 30 DAY
COMMENT 'What writers do, said whenever it changes.';

CREATE TABLE IF NOT EXISTS {{database}}.projection_sets
(
    set UInt32 COMMENT 'Number of the set; none is used twice.',
    definition String COMMENT 'BLAKE3 of the definition it was made from.',
    created_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was begun. UTC, milliseconds.'
)
ENGINE = {{merge_tree}}
ORDER BY (set, created_at)
COMMENT 'Sets of tables that were ever made beside the first one.';
