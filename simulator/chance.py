"""Numbers that look random and depend on nothing but their arguments, so that any day can be computed again."""

import random

_MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """Fold whole numbers into one 64-bit number (splitmix64): same parts in the same order, same number."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state


def share(*parts: int) -> float:
    """Fold whole numbers into a float from 0 (included) to 1 (excluded)."""
    return (mix(*parts) >> 11) * (1.0 / (1 << 53))


def dice(*parts: int) -> random.Random:
    """Return a generator of its own for these parts. Not for secrets: the point is that it repeats."""
    return random.Random(mix(*parts))  # noqa: S311 - repeatable, not secret


def poisson(mean: float, chance: float) -> int:
    """Return the Poisson count of this mean at this quantile (0 to 1)."""
    if mean <= 0:
        return 0
    count = 0
    term = total = 2.718281828459045 ** -min(mean, 500.0)
    while chance > total and count < 60:
        count += 1
        term *= mean / count
        total += term
    return count


def uuid(*parts: int) -> str:
    """Return a UUID-shaped string for these parts."""
    text = f"{mix(*parts, 1):016x}{mix(*parts, 2):016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
