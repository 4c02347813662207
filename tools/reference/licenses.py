"""docs/licenses.md: under which license each package stands that is installed with Rollcall, as it says itself."""

import re
from importlib.metadata import distribution
from pathlib import Path

from tools.reference.markdown import GENERATED, code, page, table

_ROOT = Path(__file__).parents[2]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_ELSEWHERE = {"async-timeout": "Apache 2", "backports-zstd": "PSF-2.0"}
"""What only some versions of Python need, so that others have not what it says of itself."""
_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST = 60
"""Of a license's name; some packages have its whole text there."""

_INTRODUCTION = """
Rollcall itself is under the [Apache License 2.0](../LICENSE). `pip` fetches these packages; none of their code is in
this repository. Each license is as the package states it itself. `make audit` writes a bill of materials, with versions
and hashes.
"""


def licenses_page() -> str:
    """Return the page.

    Raises:
        ValueError: A package says nothing of its license.
    """
    servers = _pinned("requirements.txt")
    embedded = [name for name in _pinned("requirements-embedded.txt") if name not in servers]
    return page(
        "# Licenses of what Rollcall depends on",
        GENERATED,
        _INTRODUCTION,
        _table(servers),
        "With the embedded engine (`rollcall-jira[embedded]`) come:",
        _table(embedded),
    )


def _table(names: list[str]) -> str:
    return table(["Package", "License"], [[code(name), _license(name)] for name in names])


def _pinned(file: str) -> list[str]:
    return _PINNED.findall((_ROOT / "deploy" / file).read_text(encoding="utf-8"))


def _license(name: str) -> str:
    if stated := _ELSEWHERE.get(name):
        return stated
    about = distribution(name).metadata.json
    classifiers = [one for one in about.get("classifier", []) if one.startswith(_CLASSIFIER)]
    stated = str(about.get("license_expression") or about.get("license") or "")
    if not stated or len(stated) > _LONGEST or "\n" in stated:
        stated = " or ".join(one.removeprefix(_CLASSIFIER) for one in classifiers)
    if not stated:
        raise ValueError(f"{name} says nothing of its license")
    return stated
