"""The body of an answer: read whole, in UTF-8, and decoded into what Rollcall looks at."""

import codecs
from typing import TypeVar

import httpx
import msgspec

from reconcile.client.endpoints import Endpoint
from reconcile.client.jira_errors import JiraRefusedError, jira_message
from rollcall.jira.values import decode_json

_T = TypeVar("_T")

_MOST_BYTES = 256 << 20
"""Of one answer, unpacked: more than a page of the longest histories, and little enough for a small machine."""

_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


class NoJsonError(JiraRefusedError):
    """The answer is no JSON, or not all of one."""


async def content_of(answer: httpx.Response, endpoint: Endpoint) -> bytes:
    """Return the body of an answer, unpacked.

    Raises:
        JiraRefusedError: It is longer than any of Jira's; what does not end would fill the memory.
        httpx.RequestError: It did not come, or not whole.
    """
    parts, size = list[bytes](), 0
    try:
        async for part in answer.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise JiraRefusedError(f"{endpoint.name}: an answer of more than {_MOST_BYTES >> 20} MiB", 413)
    finally:
        await answer.aclose()
    return b"".join(parts)


def decoded(kind: type[_T], endpoint: Endpoint, content: bytes, secret: str = "") -> _T:
    """Decode an answer.

    Args:
        kind: The form that it should have.
        endpoint: What was requested, for errors.
        content: The answer.
        secret: Never quoted, whatever Jira says.

    Raises:
        JiraRefusedError: It is no JSON of this shape, or nested too deep; of it only what Jira says of an error is
            quoted.
    """
    content = _in_utf_8(content)
    try:
        return decode_json(msgspec.json.Decoder(kind, strict=False), content)
    except RecursionError:
        raise JiraRefusedError(f"{endpoint.name}: the answer is nested deeper than any of Jira's") from None
    except ValueError as error:
        # What is cut may have an unknown form, too, before the cut.
        if isinstance(error, msgspec.ValidationError) and _is_json(content):
            words = jira_message(content, secret)
            said = f"; it says: {words}" if words else ""
            raise JiraRefusedError(f"{endpoint.name}: Jira's answer has an unknown form ({error}){said}") from None
        raise NoJsonError(
            f"{endpoint.name}: the answer is no JSON; is the site's url that of a Jira Cloud site?"
        ) from None


_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def _in_utf_8(content: bytes) -> bytes:
    """Return an answer in UTF-8 and without a byte order mark, as a proxy may write it; a bad letter costs itself."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace").encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace").encode()
    return content


def _is_json(content: bytes) -> bool:
    try:
        decode_json(_ANY_JSON, content)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True
