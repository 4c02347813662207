"""JSON with a lone surrogate (half a pair) in a text, which msgspec refuses.

A text cut inside an emoji leaves half a surrogate pair: JSON by its grammar (RFC 8259, 8.2). Rollcall keeps no such
text, so another character in its place changes no fact.
"""

import re

_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}",
    re.DOTALL,
)


def without_lone_surrogates(body: bytes) -> bytes:
    """Return the JSON with the replacement character in place of every half pair."""
    return _LONE_SURROGATE.sub(rb"\\ufffd", body)
