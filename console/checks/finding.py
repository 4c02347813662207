"""What a check finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What was looked at, such as ``event log``.
        ok: Whether it is as it should be.
        found: What was found, in a sentence.
        remedy: What to do about it; empty when nothing is wrong.
    """

    subject: str
    ok: bool
    found: str
    remedy: str = ""
