-- s.start by the zone's clock, with its offset from UTC: 2026-03-29T00:00:00+01:00.
    concat(formatDateTime(toTimeZone(s.start, {zone:String}), '%Y-%m-%dT%H:%i:%S'),
        if((timeZoneOffset(toTimeZone(s.start, {zone:String})) AS ahead) < 0, '-', '+'),
        leftPad(toString(intDiv(abs(ahead), 3600)), 2, '0'), ':', leftPad(toString(intDiv(abs(ahead) % 3600, 60)), 2, '0')) AS start_local
