"""What JQL may refer to on this site, at one moment."""

from simulator.life.numbering import FIRST
from simulator.rest.jql import Names
from simulator.rest.state import Site


def names_of(site: Site, now: int) -> Names:
    """Return the names a query can use, relative to ``now``, epoch ms."""
    by_name = {project.key.lower(): project.index for project in site.projects}
    by_name |= {str(project.id): project.index for project in site.projects}

    def issue(text: str) -> int | None:
        number = text.rpartition("-")[2]
        if not number.isdigit():
            return None
        return int(number) if number == text else int(number) + FIRST - 1

    return Names(now, site.config.caller_zone, lambda text: by_name.get(text.lower()), issue)
