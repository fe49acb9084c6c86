"""Formats of to_char, to_date and to_timestamp: which parts both engines read alike."""

from __future__ import annotations

import re

FORMATTED = frozenset(("to_char", "to_date", "to_timestamp"))
ALIKE = frozenset(  # RisingWave's patterns, in which letter case counts, without Month, which PostgreSQL fills up with blanks
    [
        "HH24",
        "hh24",
        "HH12",
        "hh12",
        "HH",
        "hh",
        "AM",
        "PM",
        "am",
        "pm",
        "MI",
        "mi",
        "SS",
        "ss",
        "YYYY",
        "yyyy",
        "YY",
        "yy",
        "IYYY",
        "iyyy",
        "IY",
        "iy",
        "MM",
        "mm",
        "Mon",
        "DD",
        "dd",
        "US",
        "us",
        "MS",
        "ms",
        "TZH:TZM",
        "tzh:tzm",
        "TZHTZM",
        "tzhtzm",
        "TZH",
        "tzh",
    ]
)
PATTERNS = (  # PostgreSQL's, in any letter case, and NS, which is RisingWave's
    [
        "TZH:TZM",
        "TZHTZM",
        "SSSSS",
        "SSSS",
        "Y,YYY",
        "YYYY",
        "IYYY",
        "YYY",
        "IYY",
        "HH24",
        "HH12",
        "MONTH",
        "A.M.",
        "P.M.",
        "B.C.",
        "A.D.",
        "IDDD",
        "FF1",
        "FF2",
        "FF3",
        "FF4",
        "FF5",
        "FF6",
        "TZH",
        "TZM",
        "MON",
        "DAY",
        "DDD",
        "HH",
        "MI",
        "SS",
        "MS",
        "US",
        "NS",
        "AM",
        "PM",
        "BC",
        "AD",
        "MM",
        "DY",
        "DD",
        "IW",
        "WW",
        "CC",
        "RM",
        "TZ",
        "OF",
        "FM",
        "FX",
        "TM",
        "TH",
        "SP",
        "YY",
        "IY",
        "ID",
        "Y",
        "I",
        "D",
        "W",
        "J",
        "Q",
    ]
)
TOKEN = re.compile(
    r'"[^"]*"?|' + "|".join(re.escape(pattern) for pattern in sorted(PATTERNS, key=len, reverse=True)), re.I
)


def unlike(text: str) -> str | None:
    """The first part of a format that only one of the engines reads, or each in its way."""
    for found in TOKEN.finditer(text):
        if found[0].startswith('"') or found[0] not in ALIKE:
            return found[0]
    return None
