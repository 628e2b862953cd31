"""Points in time, written as RFC 3339 has them."""

import re
from datetime import date, time

from frostline.server.collections.filters.expression import Instant

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_EPOCH = date(1970, 1, 1).toordinal()


def read_instant(text: str) -> Instant | None:
    """Reads a date and time with its offset, like `2024-01-01T09:30:00.5+01:00`.

    Args:
        text: of years 0001 to 9999; digits of a second after the sixth are dropped, leap seconds (`:60`) not read.

    Returns:
        The instant, or None where the text is no such date and time.
    Source: RFC 3339, section 5.6.
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    day, clock, fraction, sign, hours, minutes = parts.groups()
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH
        at = time.fromisoformat(clock)
    except ValueError:  # the 30th of February
        return None
    # Integers all the way: an offset may reach before year 1, where datetime ends.
    seconds = ((days * 24 + at.hour) * 60 + at.minute) * 60 + at.second
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return Instant(seconds * 1_000_000 + int((fraction or "")[:6].ljust(6, "0")))
