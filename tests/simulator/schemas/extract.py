"""Cuts the schemas of the answers Rollcall reads out of Atlassian's OpenAPI file; see the README beside it.

python tests/simulator/schemas/extract.py path/to/jira-platform-v3.json
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CALLS = """
GET /myself | GET /serverInfo | GET /mypermissions | POST /search/jql | GET /search/jql
POST /search/approximate-count | POST /changelog/bulkfetch | GET /issue/{issueIdOrKey}/changelog
POST /issue/{issueIdOrKey}/changelog/list | GET /issue/{issueIdOrKey}/comment | POST /comment/list
GET /issue/{issueIdOrKey}/worklog | GET /worklog/updated | GET /worklog/deleted | POST /worklog/list
GET /issue/{issueIdOrKey} | POST /issue/bulkfetch | GET /users/search | GET /users | GET /user | GET /user/bulk
GET /user/groups | GET /applicationrole | GET /applicationrole/{key} | GET /group/bulk | GET /group/member
GET /license/approximateLicenseCount | GET /license/approximateLicenseCount/product/{applicationKey}
GET /instance/license | GET /project/search | GET /project/{projectIdOrKey}/role
GET /project/{projectIdOrKey}/role/{id} | GET /role | POST /permissions/check | GET /auditing/record
"""

NULLS = {
    "ChangeDetails": ("from", "fromString", "to", "toString"),
    "BulkChangelogResponseBean": ("nextPageToken",),
    "User": ("emailAddress",),
    "UserDetails": ("emailAddress",),
}
"""Where answers hold null although the file says string: captured changelogs, the last bulk page, and hidden e-mails,
of which the file's own prose says so."""

ERRORS = "ErrorCollection"
"""What the file says of error answers, where it says anything."""

_NOISE = {"description", "example", "readOnly", "writeOnly", "xml", "deprecated", "externalDocs", "title"}


def main() -> None:
    """Write endpoints.json and components.json beside this file."""
    source = json.loads(Path(sys.argv[1]).read_text())
    endpoints, components, open_names = {}, {}, []
    for call in CALLS.replace("\n", "|").split("|"):
        if not call.strip():
            continue
        method, path = call.split()
        answers = source["paths"][f"/rest/api/3{path}"][method.lower()]["responses"]
        schema = _slim(answers["200"]["content"]["application/json"]["schema"])
        endpoints[f"{method} {path}"] = schema
        open_names += list(_references(schema))
    open_names.append(ERRORS)
    while open_names:
        name = open_names.pop()
        if name not in components:
            components[name] = _slim(source["components"]["schemas"][name])
            for field in NULLS.get(name, ()):
                components[name]["properties"][field]["type"] = ["string", "null"]
            open_names += list(_references(components[name]))
    here = Path(__file__).parent
    for name, content in (("endpoints", endpoints), ("components", components)):
        (here / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _slim(value: Any, *, names: bool = False) -> Any:
    """Leave out prose; a key under ``properties`` is a name, whatever it is called."""
    if isinstance(value, dict):
        kept = {
            key: _slim(inner, names=key == "properties") for key, inner in value.items() if names or key not in _NOISE
        }
        if kept.pop("nullable", False) is True and "type" in kept:
            kept["type"] = [kept["type"], "null"]
        return kept
    return [_slim(inner) for inner in value] if isinstance(value, list) else value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner.rpartition("/")[2]
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


if __name__ == "__main__":
    main()
