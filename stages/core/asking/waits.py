"""How long a server asks us to stay away, in the headers that servers and gateways send.

retry-after-ms, retry-after            RFC 9110: seconds or a date; the first is OpenAI's, Azure's
x-ratelimit-reset-requests: 1.606s     OpenAI and those who copy it: a duration
anthropic-ratelimit-tokens-reset: ...  a date of RFC 3339
ratelimit-reset: 30, x-ratelimit-reset: 1750000000 (or in milliseconds): seconds, or an epoch

Sources: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://docs.claude.com/en/api/rate-limits#response-headers
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

DAY_S = 86_400.0
UNITS_S = {"d": DAY_S, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|[dhms])")
DURATION = re.compile(rf"(?:{PART.pattern})+")
# Where no header says it: Google's error details, and the prose of OpenAI's copies.
PROSE = re.compile(rf"(?:retryDelay\W+|try again in )((?:{PART.pattern})+)", re.IGNORECASE)


def seconds(text: str, now: float) -> float | None:
    """Return how far ahead a header's value is, 0 to a day, or None where it says nothing sensible.

    text: a duration (`6m0s`), seconds, an epoch in seconds or milliseconds, or a date
    now:  epoch seconds
    """
    text, number = text.strip(), math.nan
    try:
        number = float(text)
    except ValueError:
        if DURATION.fullmatch(text):
            number = sum(float(count) * UNITS_S[unit] for count, unit in PART.findall(text))
        elif (moment := _date(text)) is not None:
            number = max(0.0, moment - now) if moment > now - DAY_S else math.nan
    else:
        if number > 1e11:
            number = number / 1e3 - now
        elif number > 1e8:
            number -= now
    return number if 0.0 <= number <= DAY_S else None


def _date(text: str) -> float | None:
    """Read a date of RFC 9110 or RFC 3339 as epoch seconds."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, TypeError, OverflowError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    return None


def limits(headers: Mapping[str, str], now: float) -> list[tuple[float, str, str]]:
    """Return what each rate-limit header says: seconds to its reset, what remains, and the limit.

    The last two are as sent, empty where they were not.
    """
    found = []
    for name in headers:
        lower = name.lower()
        if "reset" not in lower or "ratelimit" not in lower.replace("-", ""):
            continue
        wait = seconds(headers[name], now)
        if wait:
            twins = (
                headers.get(lower.replace("reset", twin), "") for twin in ("remaining", "limit")
            )
            found.append((wait, *twins))
    return found


def asked(headers: Mapping[str, str], body: str = "") -> float | None:
    """Return the seconds that a refusal asks to wait, or None where it does not say.

    Of several rate limits the one that is used up counts (the longest of those), else the shortest.

    headers: found in lower case, as `httpx.Headers` are
    body:    of the response, where some say it
    """
    now = time()
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        wait = seconds(headers.get(name, ""), now)
        if wait is not None:
            # Only a number that was not an epoch stands in the header's unit; nobody sends one.
            return wait * unit
    found = limits(headers, now)
    if used_up := [wait for wait, remaining, _ in found if _is_zero(remaining)]:
        return max(used_up)
    if found:
        return min(wait for wait, *_ in found)
    match = PROSE.search(body)
    return seconds(match.group(1), now) if match else None


def ahead(raw: Iterable[tuple[bytes, bytes]], headers: Mapping[str, str]) -> float | None:
    """Return how long to hold back after an answer, where it says that a limit is used up now.

    Where the limit is known, `reset` is the time until all of it is back (OpenAI, Anthropic), and
    the next request is free after a part of that; else it is the end of a window.

    raw: the same headers as bytes, to look at quickly
    """
    for name, value in raw:
        if value.strip() == b"0" and b"remaining" in name.lower():
            break
    else:
        return None
    waits = [
        wait / float(limit) if re.fullmatch(r"[1-9]\d*", limit) else wait
        for wait, remaining, limit in limits(headers, time())
        if _is_zero(remaining)
    ]
    return max(waits, default=None)


def _is_zero(text: str) -> bool:
    return text.strip() in ("0", "0.0")
