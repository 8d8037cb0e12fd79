"""A merchant's transactions and share of fraud over 1, 7 and 30 days, as ARCHITECTURE.md defines them ("Merchant risk").

Version D, of UTC day D, covers the days (D-7-w, D-7]; it counts a transaction as fraud when a label that came until the end of D says
so. A transaction of day d sees version d-1. The first version is that of the first day of the stream; before it nothing is known.
As `millrace grade` sends a stream, the first transaction of a day is what ends the day before: it sees what that day's others saw.
"""

import numpy as np

from training.stream import DAY_MS

WINDOWS_DAYS = (1, 7, 30)
# How many days labels take; what is younger is in no version.
SHIFT_DAYS = 7
NAMES = tuple(f"merchant_{what}_{days}d" for what in ("count", "risk") for days in WINDOWS_DAYS)


def features(stream, first_of_day_is_late=False):
    """Count and risk by window, in the order of the stream; NaN where there is no version."""
    first = int(stream.day.min())
    merchants, days = len(stream.merchant.names), int(stream.day.max()) - first + 1
    merchant, day = stream.merchant.codes, stream.day - first
    told = stream.label_at // DAY_MS - first
    version = day - 1
    if first_of_day_is_late:
        begins = np.flatnonzero(np.diff(day, prepend=-1))
        version[begins] = np.concatenate(([-1], day[begins[:-1]] - 1))
    is_known = version >= 0
    result = {}
    for window in WINDOWS_DAYS:
        counts = _by_version(merchants, days, merchant, day + SHIFT_DAYS, day + SHIFT_DAYS + window)
        # A fraud is in no version before its label came.
        known_from, fraud = np.maximum(day + SHIFT_DAYS, told), stream.fraud
        frauds = _by_version(merchants, days, merchant[fraud], known_from[fraud], (day + SHIFT_DAYS + window)[fraud])
        count, of_those = (np.where(is_known, table[merchant, version], np.nan) for table in (counts, frauds))
        result[f"merchant_count_{window}d"] = count
        result[f"merchant_risk_{window}d"] = np.where(is_known, of_those / np.maximum(count, 1), np.nan)
    return result


def _by_version(merchants, versions, merchant, begin, end):
    """For each merchant and version, how many transactions it holds, when one is in the versions from `begin` to before `end`."""
    steps = np.zeros((merchants, versions + 1), dtype=np.int32)
    begin, end = np.minimum(begin, versions), np.minimum(end, versions)
    is_in = begin < end
    np.add.at(steps, (merchant[is_in], begin[is_in]), 1)
    np.add.at(steps, (merchant[is_in], end[is_in]), -1)
    return np.cumsum(steps[:, :versions], axis=1)
