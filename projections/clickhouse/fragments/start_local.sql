-- s.start by the zone's clock, with its offset from UTC: 2026-03-29T00:00:00+01:00.
    replaceRegexpOne(formatDateTime(s.start, '%Y-%m-%dT%H:%i:%S%z', {zone:String}), '(..)$', ':\\1') AS start_local
