"""The start of an issue: who, when, where, and how its story goes on."""

from typing import Literal

import msgspec

LIFE_DAYS = 21
"""No story lasts longer, which bounds what has to be kept to tell a day."""

Script = Literal["ordinary", "live", "bare", "many_comments", "many_histories", "many_worklogs", "import", "edges"]


class Birth(msgspec.Struct, frozen=True):
    """How an issue begins.

    Attributes:
        issue_id: Its id.
        creator: Index of who creates it.
        project: Index of its project.
        at: When, epoch ms.
        script: Which kind of story follows.
        salt: Distinguishes stories of one script.
    """

    issue_id: int
    creator: int
    project: int
    at: int
    script: Script = "ordinary"
    salt: int = 0
