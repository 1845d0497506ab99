"""Spell what asking would take: in one line before the first request, and as a table."""

import math

from stages.core.asking.survey import Outlook


def approximately(number: float) -> str:
    """Spell a number of tokens or requests for the eye."""
    return f"{number:,.0f}"


def dollars(usd: float | None) -> str:
    """Spell an amount for the eye: cents, or the first two digits of what is less than ten."""
    if usd is None:
        return "?"
    decimals = 1 - math.floor(math.log10(usd)) if 0 < usd < 0.1 else 2
    return f"${usd:,.{decimals}f}"


def duration(seconds: float | None) -> str:
    """Spell a time for the eye, in the largest unit that fits."""
    if seconds is None:
        return "?"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{max(seconds, 1):.0f} s" if seconds else "0 s"


def summary(outlooks: list[Outlook]) -> str:
    """Return the one line that is said before the first request is sent."""
    asked = [one for one in outlooks if one.pending]
    pending = sum(one.pending for one in asked)
    if not pending:
        return f"nothing to ask{_found(outlooks)}"
    told = f"{pending:,} to ask: about {approximately(sum(one.prompt_tokens for one in asked))}"
    most = approximately(sum(one.most_completion_tokens for one in asked))
    known = [one.completion_tokens for one in asked]
    if None in known:
        told += f" tokens in and at most {most} out"
    else:
        told += f" tokens in and {approximately(sum(map(int, filter(None, known))))} out"
    return f"{told}; {_money(asked)}; {_time(asked)}{_found(outlooks)}"


def _found(outlooks: list[Outlook]) -> str:
    found = sum(one.found for one in outlooks)
    paid = sum(one.found_usd for one in outlooks)
    if not found:
        return ""
    return f"; {found:,} are in the journal" + (f" ({dollars(paid)} paid)" if paid else "")


def _money(asked: list[Outlook]) -> str:
    if unpriced := [one.name for one in asked if not one.priced]:
        return f"cost unknown (no price: {', '.join(unpriced)})"
    if not any(one.price for one in asked):
        return "free"
    most = f"at most {dollars(sum(one.most_usd for one in asked))}"
    costs = [one.usd for one in asked]
    return most if None in costs else f"about {dollars(sum(filter(None, costs)))}, {most}"


def _time(asked: list[Outlook]) -> str:
    if any(one.batch for one in asked):
        return "a batch takes up to a day"
    times = [one.time_s for one in asked]
    known = [each for each in times if each is not None]
    if not known:
        return "nothing is known yet of how long it takes"
    return f"{'at least' if None in times else 'about'} {duration(max(known))}"


HEAD = ("", "found", "paid", "to ask", "tokens in", "out", "at most", "usd", "at most", "time")


def table(outlooks: list[Outlook]) -> list[tuple[str, ...]]:
    """Return the head, a row a teacher, and a row of all where there are several."""
    rows = [_row(one.name, [one]) for one in outlooks]
    return [HEAD, *rows, _row("in all", outlooks)] if len(rows) > 1 else [HEAD, *rows]


def _row(name: str, outlooks: list[Outlook]) -> tuple[str, ...]:
    def total(values: list[float | None]) -> float | None:
        return None if None in values else sum(filter(None, values))

    asked = [one for one in outlooks if one.pending]
    completion = total([one.completion_tokens for one in asked])
    most_usd = total([one.most_usd if one.priced else None for one in asked])
    times = [one.time_s for one in asked]
    batch = any(one.batch for one in asked)
    return (
        name,
        f"{sum(one.found for one in outlooks):,}",
        dollars(sum(one.found_usd for one in outlooks)),
        f"{sum(one.pending for one in asked):,}",
        approximately(sum(one.prompt_tokens for one in asked)),
        "?" if completion is None else approximately(completion),
        approximately(sum(one.most_completion_tokens for one in asked)),
        dollars(total([one.usd for one in asked])),
        dollars(most_usd),
        "1 day" if batch else duration(None if None in times else max(times, default=0)),
    )
