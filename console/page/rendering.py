"""The templates: everything in them is escaped unless it is markup of our own."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from console.formats import iso
from console.page.showing import ago, grouped, size, visible


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("console.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(ago=ago, grouped=grouped, iso=iso, size=size, visible=visible)
    return made


_templates = _environment()


def render(name: str, **values: Any) -> bytes:
    """Return a template filled with values, as UTF-8."""
    return _templates.get_template(name).render(values).encode()
