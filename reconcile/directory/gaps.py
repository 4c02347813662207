"""Gaps: the parts of a directory that a run could not read, which stay as an earlier snapshot has them.

A part that fails costs only itself. Only a refusal of the account itself ends the whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reconcile.client.jira_errors import AccountRefusedError, JiraError


class Gaps:
    """The parts that are lacking, named as in `rollcall.records.SnapshotComplete`.

    Attributes:
        lacks: The parts, each once.
        told: What to tell people, by the part it is about.
        error: What the first of them failed with; None when nothing did.
    """

    def __init__(self) -> None:
        self.lacks: list[str] = []
        self.told: dict[str, str] = {}
        self.error: JiraError | None = None

    def add(self, part: str, words: str = "") -> None:
        """Add a part, with words unless others tell of it too; the first words about a part stand."""
        if part not in self.lacks:
            self.lacks.append(part)
        if words:
            self.told.setdefault(part, words)

    @contextmanager
    def reading(self, part: str, what: str, *also: str) -> Iterator[None]:
        """Add the part, and what goes with it, if the block fails to read it.

        Args:
            part: The part.
            what: The same for people.
            also: Parts that are not whole without it.

        Raises:
            AccountRefusedError: Jira refuses the account itself.
        """
        try:
            yield
        except AccountRefusedError:
            raise
        except JiraError as error:
            self.error = self.error or error
            self.add(part, f"{what}: {error}")
            for other in also:
                self.add(other)
