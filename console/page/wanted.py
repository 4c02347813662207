"""What a viewer asked of the table of people, read from the address and written back into links."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode

PAGE_SIZE = 50
LONGEST_SEARCH = 200
MOST_PAGES = 100_000
_UNTYPEABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


class Show(StrEnum):
    """Which people to list."""

    ALL = "all"
    ACTIVE = "active"
    UNSEEN = "unseen"


class Sort(StrEnum):
    """What to list people by: one of each column."""

    NAME = "name"
    EMAIL = "email"
    LAST_ACTIVITY = "last_activity"
    ACTIVE_DAYS = "active_days"
    COMMENTS = "comments"
    CHANGES = "changes"
    WORKLOGS = "worklogs"
    LICENSES = "licenses"
    STATUS = "status"


LARGEST_FIRST = frozenset({Sort.LAST_ACTIVITY, Sort.ACTIVE_DAYS, Sort.COMMENTS, Sort.CHANGES, Sort.WORKLOGS})
"""Columns whose first click lists the largest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A view of the table of people.

    Attributes:
        site: Name of the site.
        search: Text that name, e-mail or account id must contain; empty for all.
        show: Which people.
        sort: By which column.
        descending: Whether the largest come first.
        page: Number of the page, from 1.
    """

    site: str
    search: str = ""
    show: Show = Show.ALL
    sort: Sort = Sort.LAST_ACTIVITY
    descending: bool = True
    page: int = 1

    @classmethod
    def read(cls, site: str, query: Mapping[str, str]) -> Self:
        """Read an address's query; whatever is not understood is as if it were not there."""
        search = _UNTYPEABLE.sub(" ", query.get("q", ""))[:LONGEST_SEARCH].strip()
        show = query.get("show", "")
        sort = query.get("sort", "")
        name = sort.removeprefix("-")
        page = query.get("page", "")
        known = name in list(Sort)
        return cls(
            site=site,
            search=search,
            show=Show(show) if show in list(Show) else Show.ALL,
            sort=Sort(name) if known else Sort.LAST_ACTIVITY,
            descending=sort.startswith("-") if known else True,
            page=min(max(int(page), 1), MOST_PAGES) if re.fullmatch("[0-9]{1,9}", page) else 1,
        )

    @property
    def sorting(self) -> str:
        """How the address names the order, such as ``-active_days``."""
        return f"-{self.sort}" if self.descending else str(self.sort)

    def link(self, **changes: object) -> str:
        """Return the address of this view, or of one changed from it; any change but of the page begins at page 1."""
        if changes and "page" not in changes:
            changes["page"] = 1
        view = replace(self, **changes)  # type: ignore[arg-type]  # names and types are those of the fields
        query = {"site": view.site, "q": view.search, "show": view.show, "sort": view.sorting, "page": str(view.page)}
        plain = {"q": "", "show": "all", "sort": "-last_activity", "page": "1"}
        return "/?" + urlencode({name: value for name, value in query.items() if plain.get(name) != value}) + "#people"

    def sorted_by(self, column: Sort) -> str:
        """Return the address that a click on a column's head leads to: the other way round when it sorts already."""
        turned = not self.descending if column is self.sort else column in LARGEST_FIRST
        return self.link(sort=column, descending=turned)
