"""Damage to JSON for hypothesis: values dropped, nulled, retyped and made huge."""

import copy
from typing import Any

from hypothesis import strategies as st

HUGE = "x" * 100_000

REPLACEMENTS = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1.5, 2**63, 2**70, 10**300, "", "x", HUGE, [], {}, [None], {"id": []}]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
    ),
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all values, those near the top and near people several times, so that they are hit."""
    found = [at] if at else []
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        found += paths(inner, (*at, step))
    if len(at) < 3:
        found += [at] * 5 if at else []
    return found


def damage(payload: Any, path: tuple[Any, ...], how: str, replacement: Any) -> None:
    if path[-1] == "accountId" and isinstance(replacement, str):
        replacement = HUGE  # another id of a fitting form is another person, by the word of who signed
    for step in path[:-1]:
        try:
            payload = payload[step]
        except (KeyError, IndexError, TypeError):
            return
    try:
        if how == "drop":
            del payload[path[-1]]
        else:
            payload[path[-1]] = None if how == "null" else copy.deepcopy(replacement)
    except (KeyError, IndexError, TypeError):
        return
