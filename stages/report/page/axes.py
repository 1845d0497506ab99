"""Axes of a chart: scales, ticks at round figures, labels that do not lie upon each other."""

import math
import unicodedata
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def place(value: float) -> float | int:
    """Round a coordinate to a tenth of a unit, so that a page is the same on every machine."""
    near = round(value, 1)
    return int(near) if near == int(near) else near


@dataclass(frozen=True)
class Scale:
    """Map values on coordinates.

    low, high:  the values at the ends, low < high; positive where `log` is set
    start, end: the coordinates there
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float | int:
        """Return the coordinate of a value; one beyond an end lies at that end."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return place(self.start + share * (self.end - self.start))


def tidy(value: float) -> float:
    """Return a figure without what binary fractions add to it: 0.3 for 3 times 0.1."""
    return float(f"{value:.12g}")


def step(span: float, count: int) -> float:
    """Return the round step, 1, 2, 2.5 or 5 times a power of ten, that gives `count` ticks at most.

    span: greater than 0
    """
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(each * power for each in STEPS if each * power >= rough * (1 - 1e-9))


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round figures from low to high, both included where they are round themselves."""
    if high <= low:
        return [low]
    by = step(high - low, count)
    first = math.ceil(low / by - 1e-9)
    last = math.floor(high / by + 1e-9)
    return [tidy(at * by) for at in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return powers of ten from low to high, with twice and five times them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for times in ((1, 2, 5), (1, 3), (1,)):
        found = [each * 10.0**power for power in powers for each in times]
        found = [at for at in found if low * (1 - 1e-9) <= at <= high * (1 + 1e-9)]
        if len(found) <= count:
            break
    else:
        found = found[:: math.ceil(len(found) / count)]
    return [float(f"{at:.6g}") for at in found]


def rounded_span(low: float, high: float, count: int = 4) -> tuple[float, float]:
    """Widen a span so that it begins and ends at ticks; of one value, make a span around it.

    What differs by no more than computing does is one value.
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = abs(low) / 2 or 1.0
        low, high = low - pad, high + pad
    by = step(high - low, count)
    return tidy(math.floor(low / by + 1e-9) * by), tidy(math.ceil(high / by - 1e-9) * by)


def spread(wanted: list[float], gaps: list[float], low: float, high: float) -> list[float]:
    """Return positions near the wanted ones, in their order, each at least its gap from the last.

    gaps: what each needs before it; the first is not looked at
    Where they need more than from low to high, they begin at low and go beyond high.
    """
    found: list[float] = []
    for at, gap in zip(wanted, gaps, strict=True):
        found.append(max(at, found[-1] + gap) if found else max(at, low))
    end = high
    for place_ in range(len(found) - 1, -1, -1):  # back from the far end, where it was too full
        found[place_] = min(found[place_], end)
        end = found[place_] - gaps[place_]
    if found and found[0] < low:
        found[0] = low
        for place_ in range(1, len(found)):
            found[place_] = max(found[place_], found[place_ - 1] + gaps[place_])
    return found


def wide(text: str, size: float) -> float:
    """Return about how wide a text is in a sans-serif face of a size; rather more than less."""
    ems = 0.0
    for sign in text:
        if unicodedata.combining(sign):
            continue
        if unicodedata.east_asian_width(sign) in "WF":
            ems += 1.0
        elif sign in "mwMW@%—…" or sign.isupper():
            ems += 0.78
        else:
            ems += 0.38 if sign in " ,.:;'|!iljtf()[]-" else 0.6
    return ems * size


def cut(text: str, width: float, size: float) -> str:
    """Return a text that fits a width; what was cut off is told by an ellipsis."""
    if wide(text, size) <= width:
        return text
    kept = text
    while kept and wide(kept + "…", size) > width:
        kept = kept[:-1]
    return kept + "…"
