(
    WITH
        -- When the clock showed r.start_shown: with the offset it has now, or the one before it was moved. What it showed twice is the
        -- first of the two, unless the interval fits between them; where it left out an hour, that hour's begin is when it was moved.
        r.start_shown - r.east AS later,
        timeZoneOffset(toDateTime(later - 7200, {zone:String})) AS before,
        r.start_shown - before AS earlier,
        toDateTime(
            if({interval:String} = 'all', toInt64(toUInt32({from:DateTime('UTC')})),
            if(timeZoneOffset(toDateTime(later, {zone:String})) = r.east
                AND (timeZoneOffset(toDateTime(earlier, {zone:String})) != before OR before - r.east >= r.seconds),
                later, earlier)), 'UTC') AS interval_start
    SELECT interval_start AS start, r.*
    FROM
    (
        WITH
            -- Length of an interval up to a day, in seconds; a longer one has no fixed one, and counts as a day.
            toInt64OrZero(extract({interval:String}, '^([0-9]{1,4})m$')) * 60 + toInt64OrZero(extract({interval:String}, '^([0-9]{1,2})h$')) * 3600 AS told,
            throwIf({interval:String} NOT IN ('all', 'month', 'week', 'day') AND (told <= 0 OR told % 900 != 0 OR told >= 86400),
                'interval must be a multiple of 15 minutes below a day such as 15m or 6h, day, week, month or all') AS refused,
            if(told = 0, 86400, told) + refused AS seconds,
            -- What the zone's clock shows is counted in seconds like an instant: at r.bucket, and at the start of its interval. What
            -- holds for all rows is decided once in a chain of if, not in multiIf. Days are counted back from what is shown: servers say
            -- offsets of zones that once crossed the date line a day wrong (ClickHouse issue 115281), here and when the start is looked for.
            timeZoneOffset(toTimeZone(r.bucket, {zone:String})) AS east,
            toInt64(toUInt32(r.bucket)) + east AS shown,
            shown - shown % 86400 % seconds - 86400 *
                if({interval:String} = 'month', toDayOfMonth(r.bucket, {zone:String}) - 1,
                if({interval:String} = 'week', toDayOfWeek(r.bucket, 0, {zone:String}) - 1, 0)) AS start_shown
        SELECT seconds, east, start_shown, r.*
        FROM {{rows}} AS r
        WHERE r.bucket >= {from:DateTime('UTC')} AND r.bucket < {to:DateTime('UTC')}
    ) AS r
)
