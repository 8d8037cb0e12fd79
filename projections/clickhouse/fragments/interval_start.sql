-- When the clock showed r.start_shown: with the offset it has now, or the one before it was moved. What it showed twice is the first of
        -- the two, unless the interval fits between them; where it left out an hour, that hour's begin is when it was moved.
        r.start_shown - r.east AS later,
        timeZoneOffset(toDateTime(later - 7200, {zone:String})) AS before,
        r.start_shown - before AS earlier,
        toDateTime(
            if({interval:String} = 'all', toInt64(toUInt32({from:DateTime('UTC')})),
            if(timeZoneOffset(toDateTime(later, {zone:String})) = r.east
                AND (timeZoneOffset(toDateTime(earlier, {zone:String})) != before OR before - r.east >= r.seconds),
                later, earlier)), 'UTC') AS interval_start
