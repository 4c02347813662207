"""Decode the elements of a page one by one, so that one unreadable element does not cost the others."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def each(
    decoder: msgspec.json.Decoder[_T], elements: Sequence[msgspec.Raw], unreadable: Callable[[], None]
) -> Iterator[_T]:
    """Yield the elements that have the form the decoder knows.

    Args:
        decoder: Knows the form.
        elements: Raw JSON.
        unreadable: Called for every other element.
    """
    for element in elements:
        try:
            yield decoder.decode(element)
        except (ValueError, RecursionError):
            unreadable()
