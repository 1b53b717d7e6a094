"""Dates as sources print them, to ISO; a year that is not printed is never invented."""

from __future__ import annotations

import calendar
import re

_MONTHS = {name.casefold(): number for number, name in enumerate(calendar.month_abbr) if name}
_ISO = re.compile(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?(?:[T ]\d{2}:\d{2}.*|/{0,2})?")
_NAMED = re.compile(r"([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})(?:,\s*(\d{4}))?")
_NAMED_MONTH = re.compile(r"([A-Za-z]{3})[a-z]*\.?,?\s+(\d{4})")


def parse_date(text: str) -> str | None:
    """Return `text` as ISO (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`), or None when it isn't a full date.

    Reads ISO dates and times, RIS dates (`2024/05/31/`), `May 31, 2024` and `May 2024`.
    """
    text = text.strip()
    if match := _ISO.fullmatch(text):
        return make_date(match[1], match[2], match[3])
    if match := _NAMED.fullmatch(text):
        return make_date(match[3], match[1], match[2]) if match[3] else None
    if match := _NAMED_MONTH.fullmatch(text):
        return make_date(match[2], match[1], None)
    return None


def make_date(year: str | None, month: str | None = None, day: str | None = None) -> str | None:
    """Join the parts of a date that are stated and valid; None without a year.

    A month is a number or begins like an English name of a month; a day or month that cannot
    be read is left out.
    """
    if not year or not re.fullmatch(r"[12]\d{3}", year.strip()):
        return None
    date = year.strip()
    number = find_month(month) if month else None
    if number is None:
        return date
    date += f"-{number:02d}"
    if day and day.strip().isdecimal():
        last = calendar.monthrange(int(year), number)[1]
        if 1 <= int(day) <= last:
            date += f"-{int(day):02d}"
    return date


def find_month(text: str) -> int | None:
    """Return the number of a month given as a number or an English name, or None."""
    text = text.strip().strip(".")
    if text.isdecimal() and len(text) <= 2:
        return int(text) if 1 <= int(text) <= 12 else None
    return _MONTHS.get(text[:3].casefold())


def find_lower_bound(date_text: str, newest_printed_year: int | None) -> str | None:
    """Return the earliest date that a date without a year can mean.

    A page prints the year only of papers that are not from its own year, and no paper is newer
    than its page: so the page's year is later than every year it prints. For February 29 it is
    also a leap year.
    """
    match = _NAMED.fullmatch(date_text.strip())
    if newest_printed_year is None or match is None or match[3]:
        return None
    month, day = find_month(match[1]), int(match[2])
    if month is None or not 1 <= day <= calendar.monthrange(2000, month)[1]:
        return None
    year = newest_printed_year + 1
    while day > calendar.monthrange(year, month)[1]:
        year += 1
    return f"{year}-{month:02d}-{day:02d}"
