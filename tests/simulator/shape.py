"""Compares a body with a captured one: the same keys, and values of the same JSON type."""

import re
from collections.abc import Iterator
from typing import Any

LEGACY = {"name", "key", "emailAddress"}
"""Keys of people that Jira Cloud sent in 2019 and does not any more."""

NEWER = {"accountType", "simplified", "eventType", "statuscategorychangedate"}
"""Keys that later captures have and those of 2019 lack."""

_CUSTOM = re.compile(r"customfield_\d+")


def differences(ours: Any, captured: Any, path: str = "$") -> Iterator[str]:
    """Yield what is missing, extra or of another type; null goes with everything."""
    if ours is None or captured is None:
        return
    if isinstance(captured, dict) and isinstance(ours, dict):
        theirs = _modern(captured)
        for name in sorted(set(theirs) - set(ours)):
            yield f"{path}.{name} is missing"
        for name in sorted(set(ours) - set(theirs) - NEWER):
            yield f"{path}.{name} is in no capture"
        for name in sorted(set(ours) & set(theirs)):
            yield from differences(ours[name], theirs[name], f"{path}.{name}")
    elif isinstance(captured, list) and isinstance(ours, list):
        for item in ours if captured else ():
            yield from differences(item, captured[0], f"{path}[]")
    elif type(ours) is not type(captured):
        yield f"{path} is {type(ours).__name__}, captured {type(captured).__name__}"


def _modern(captured: dict[str, Any]) -> dict[str, Any]:
    """Drop what people no longer carry, and the custom fields that every site has its own of."""
    dropped = LEGACY if "accountId" in captured else set()
    return {name: value for name, value in captured.items() if name not in dropped and not _CUSTOM.fullmatch(name)}


def without_custom_fields(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose issue has only the fields that every site has."""
    issue = body.get("issue")
    if not issue:
        return body
    fields = {name: value for name, value in issue["fields"].items() if not _CUSTOM.fullmatch(name)}
    return {**body, "issue": {**issue, "fields": fields}}
