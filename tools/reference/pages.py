"""Which page is written by what."""

from collections.abc import Callable, Mapping

from tools.reference.commands import commands_page
from tools.reference.licenses import licenses_page
from tools.reference.metrics import metrics_page
from tools.reference.records import records_page, records_schema
from tools.reference.settings import settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
    "licenses.md": licenses_page,
    "records.md": records_page,
    "records.schema.json": records_schema,
}
"""File names in docs/, each with the function that returns its text."""
