-- Length of an interval up to a day, in seconds; a longer one has no fixed one, and counts as a day.
            toInt64OrZero(extract({interval:String}, '^([0-9]{1,4})m$')) * 60 + toInt64OrZero(extract({interval:String}, '^([0-9]{1,2})h$')) * 3600 AS told,
            throwIf({interval:String} NOT IN ('all', 'month', 'week', 'day') AND (told <= 0 OR told % 900 != 0 OR told >= 86400),
                'interval must be a multiple of 15 minutes below a day such as 15m or 6h, day, week, month or all') AS refused,
            if(told = 0, 86400, told) + refused AS seconds,
            -- What the zone's clock shows is counted in seconds like an instant: at r.bucket, and at the start of its interval. What
            -- holds for all rows is decided once in a chain of if, not in multiIf.
            timeZoneOffset(toTimeZone(r.bucket, {zone:String})) AS east,
            toInt64(toUInt32(r.bucket)) + east AS shown,
            if({interval:String} = 'month', toInt64(toStartOfMonth(r.bucket, {zone:String})) * 86400,
            if({interval:String} = 'week', toInt64(toMonday(r.bucket, {zone:String})) * 86400,
                shown - shown % 86400 % seconds)) AS start_shown
