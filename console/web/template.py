"""The templates and their filters: how text that others chose, numbers and moments are shown.

Everything in a template is escaped unless it is markup of our own.
"""

import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rollcall.clock import iso

LONGEST_NAME = 200
"""Characters of a name that are shown; the page must not grow with what somebody calls himself."""

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of text; `<bdi>` keeps them inside a name, and shown they deceive nobody."""

_NEVER_SHOWN = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
"""Categories without a shape of their own: controls, lone surrogates, unassigned, separators of lines."""


def visible(text: str, longest: int = LONGEST_NAME) -> str:
    r"""Return text with what cannot be seen written out, such as ``\u202e``, and cut when it is too long.

    Joiners stay: names in Persian and emoji need them.
    """
    shown = "".join(_written_out(char) for char in text[:longest])
    return f"{shown}…" if len(text) > longest else shown


def _written_out(char: str) -> str:
    if char in _BIDI_CONTROLS or unicodedata.category(char) in _NEVER_SHOWN:
        return f"\\u{ord(char):04x}"
    return char


def grouped(number: int) -> str:
    """Write a number with its thousands apart, such as ``12,345``."""
    return f"{number:,}"


def size(count: int) -> str:
    """Write a number of bytes for people, such as ``1.4 MB``."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{amount / 1000:.1f} TB"


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago a moment was, such as ``3 minutes ago``."""
    passed = max(now - moment, timedelta())
    for unit, length in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if passed >= length:
            count = passed // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def local(moment: datetime, zone: ZoneInfo) -> Markup:
    """Write a moment to the minute in a time zone, as HTML that also has it exactly."""
    shown = f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(iso(moment), shown)


def day(moment: datetime, zone: ZoneInfo) -> Markup:
    """Write the day of a moment in a time zone, as HTML that also has the moment exactly."""
    return Markup('<time datetime="{}">{}</time>').format(iso(moment), f"{moment.astimezone(zone):%Y-%m-%d}")


def money(amount: Decimal, currency: str) -> str:
    """Write an amount to the cent, such as ``USD 1,234.50``."""
    return f"{currency} {amount:,.2f}"


PRODUCT_NAMES = {
    "jira-software": "Jira",
    "jira-servicedesk": "Jira Service Management",
    "jira-product-discovery": "Jira Product Discovery",
    "jira-core": "Jira Work Management",
}
"""Products by the names that Jira's own pages have for them."""


def product(key: str) -> str:
    """Return a product's name; of one that is not known its key."""
    return PRODUCT_NAMES.get(key, key)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("console.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        ago=ago, day=day, grouped=grouped, local=local, money=money, product=product, size=size, visible=visible
    )
    return made


_templates = _environment()


def render(name: str, **values: Any) -> bytes:
    """Return a template filled with values, as UTF-8."""
    return _templates.get_template(name).render(values).encode()
