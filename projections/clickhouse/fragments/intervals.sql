-- Length of an interval shorter than a day, in seconds; longer ones have no fixed one.
        if(match({interval:String}, '^[0-9]{1,4}m$'), toInt64OrZero(substring({interval:String}, 1, length({interval:String}) - 1)) * 60,
            if(match({interval:String}, '^[0-9]{1,2}h$'), toInt64OrZero(substring({interval:String}, 1, length({interval:String}) - 1)) * 3600, 0)) AS seconds,
        throwIf({interval:String} NOT IN ('all', 'month', 'week', 'day') AND (seconds <= 0 OR seconds % 900 != 0 OR seconds >= 86400),
            'interval must be a multiple of 15 minutes below a day such as 15m or 6h, day, week, month or all') AS refused,
        toInt64(toUInt32(toStartOfDay(r.bucket, {zone:String}))) AS midnight,
        timeZoneOffset(toTimeZone(r.bucket, {zone:String})) AS east,
        -- What the clock was moved by since midnight.
        east - timeZoneOffset(toDateTime(midnight, {zone:String})) AS moved,
        midnight + intDiv(toInt64(toUInt32(r.bucket)) - midnight + moved, greatest(seconds, 1)) * seconds AS shown,
        if(timeZoneOffset(toDateTime(shown - moved, {zone:String})) = east, shown - moved, shown) AS within_a_day,
        -- Start of the interval that r.bucket belongs to, UTC. What holds for all rows is decided once in a chain of if, not in multiIf.
        toDateTime(refused +
            if({interval:String} = 'all', toInt64(toUInt32({from:DateTime('UTC')})),
            if({interval:String} = 'month', toInt64(toUInt32(toDateTime(toStartOfMonth(r.bucket, {zone:String}), {zone:String}))),
            if({interval:String} = 'week', toInt64(toUInt32(toDateTime(toMonday(r.bucket, {zone:String}), {zone:String}))),
            if({interval:String} = 'day', midnight,
            within_a_day)))), 'UTC') AS interval_start
