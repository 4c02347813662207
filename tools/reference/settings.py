"""docs/settings.md, from the fields of `rollcall.settings.Settings`."""

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from rollcall.settings import Settings
from tools.reference.markdown import GENERATED, code, page, table

_INTRODUCTION = """
Rollcall reads its settings once, at start: from a TOML file, then from environment variables, which win. The file is
the one named by `--config`, else by the environment variable `ROLLCALL_CONFIG`, else `rollcall.toml` in the working
directory if there is one. A small file that works:

```toml
listen = "127.0.0.1:8080"
log_url = "sqlite:///var/rollcall/events.db"
warehouse_url = "chdb:///var/rollcall/warehouse"

[sites.acme]
url = "https://acme.atlassian.net"
webhook_secrets_file = "/run/secrets/acme_webhook"
timezone = "Europe/Berlin"
```

Rules:

* A name that is no setting is an error, and the error names it: in the file, and in the environment, where every
  variable that begins with `ROLLCALL_` must be a setting (`ROLLCALL_LISTNE` is none).
* An environment variable is `ROLLCALL_` and the setting's name in capitals, groups joined by two underscores. Lists are
  JSON: `ROLLCALL_SITES__ACME__WEBHOOK_SECRETS='["current", "previous"]'`.
* Setting one value of a group in the environment leaves the group's other values as the file has them.
* A secret is better kept in a file of its own (`…_file`) than in the settings or the environment. Such files are read
  when the value is needed; blanks around the secret do not count. No secret is ever printed or logged.
* Changed settings count after a restart.
"""
_GROUPS = {
    "sites.NAME": """
One group for each Jira Cloud site. NAME is yours to choose and part of the webhook URL (`/webhooks/NAME`): lower-case
letters, digits, `-` and `_`, at most 63 characters, the first and last a letter or digit. It is also the value of
`site` in every table and report, so a site that is renamed later begins a new history. In the environment NAME is
written in capitals (`ROLLCALL_SITES__ACME__URL`); a name with `-` can be set in the file only, because shells take no
such variable.

A site needs `webhook_secrets` or `webhook_secrets_file` (the secrets of both count), or `unsigned = true` in so many
words; otherwise Rollcall does not start. Where another process takes its webhooks, `signed_elsewhere = true` will do.
Of `api_token` and `api_token_file` the file wins.
""",
    "seats.products.NAME": """
One group for each product, by the key that Jira has for it: `jira-software`, `jira-servicedesk`,
`jira-product-discovery` or `jira-core`. Such a name can be set in the file only, because shells take no variable with
`-`. Without prices no money is shown anywhere: none is guessed. `rollcall check` names a product that the site lacks.
""",
}
_ENTRIES = {
    "seats.exempt": """
Each entry keeps one group's members, or one account, from being called idle; the reason stands in the reports. It ends
after the day `until`. `rollcall check` names an entry whose group or account the site lacks. In the environment
all entries are one list: `ROLLCALL_SEATS__EXEMPT='[{"group": "contractors", "reason": "seasonal work"}]'`.
"""
}
"""What is said of lists of groups, in the file `[[…]]`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its path in the file, such as ``("ingest", "body_limit")``, and its field."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "ROLLCALL_" + "__".join(self.path).upper()


def all_settings(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield every setting, those of a group after the one that names the group."""
    for name, field in model.model_fields.items():
        group = _group(field.annotation)
        if group is None:
            yield Setting((*path, name), field)
    for name, field in model.model_fields.items():
        group = _group(field.annotation)
        if group is not None:
            many = get_origin(field.annotation) is dict
            yield from all_settings(group, (*path, name, "NAME") if many else (*path, name))


def settings_page() -> str:
    """Return docs/settings.md."""
    groups: dict[str, list[Setting]] = {}
    for setting in all_settings():
        groups.setdefault(".".join(setting.path[:-1]), []).append(setting)
    parts = [part for group, settings in groups.items() for part in (*_section(group, settings), *_entries(settings))]
    return page(GENERATED, "# Settings", _INTRODUCTION, *parts)


def _section(group: str, settings: list[Setting]) -> Iterator[str]:
    yield f"## `[{group}]`" if group else "## First level"
    yield _GROUPS.get(group) or _purpose(group)
    head = ("setting", "environment", "type", "default", "meaning")
    yield table(head, map(_row, settings))


def _entries(settings: list[Setting]) -> Iterator[str]:
    for setting in settings:
        if kind := _entry(setting.field.annotation):
            name = ".".join(setting.path)
            yield f"## `[[{name}]]`"
            yield _ENTRIES[name]
            rows = [_row(Setting((*setting.path, one), field)) for one, field in kind.model_fields.items()]
            yield table(("setting", "type", "default", "meaning"), [(row[0], *row[2:]) for row in rows])


def _entry(annotation: Any) -> type[BaseModel] | None:
    inner = get_args(annotation)[0] if get_origin(annotation) is list else None
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _purpose(group: str) -> str:
    model: type[BaseModel] = Settings
    purpose = ""
    for name in group.split("."):
        field = model.model_fields.get(name)
        inner = _group(field.annotation) if field else None
        if field is None or inner is None:
            return ""
        model, purpose = inner, field.description or ""
    return purpose


def _row(setting: Setting) -> tuple[str, ...]:
    field = setting.field
    kind = ", ".join([_kind(field.annotation), *filter(None, map(_bound, field.metadata))])
    return (code(setting.path[-1]), code(setting.variable), kind, _default(field), field.description or "")


def _group(annotation: Any) -> type[BaseModel] | None:
    inner = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(code(choice) for choice in get_args(annotation))
    if _entry(annotation):
        return "list of groups"
    if get_origin(annotation) is Annotated:
        inner, *fields = get_args(annotation)
        return ", ".join([_kind(inner), *filter(None, (_bound(one) for field in fields for one in field.metadata))])
    if get_origin(annotation) is tuple:
        first, second = get_args(annotation)
        return f"list of {_kind(first)}" if second is Ellipsis else "pair of seats and price"
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0])}"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_kind(one) for one in get_args(annotation) if one is not type(None))
    names = {str: "text", SecretStr: "secret text", bool: "true or false", int: "whole number", float: "number"}
    return {**names, Path: "path", date: "date"}[annotation]


def _bound(constraint: Any) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "pattern": "matching"}
    found = ((word, getattr(constraint, name, None)) for name, word in words.items())
    return ", ".join(
        f"{word} {code(bound) if word == 'matching' else bound}" for word, bound in found if bound is not None
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", []):
        return "none"
    size = f" ({value >> 20} MiB)" if isinstance(value, int) and value >= 1 << 20 and value % (1 << 20) == 0 else ""
    return code(json.dumps(value, default=str)) + size
