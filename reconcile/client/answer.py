"""The body of an answer: read whole, in UTF-8, and decoded into what Rollcall looks at.

A part that can be done without, such as a count or a name, is one that Jira does not give where it has another form:
it spoils nothing. So the forms in `reconcile.responses` have a default for what can be done without.
"""

import codecs
import types
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

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
        return TolerantDecoder(kind).decode(content)
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


class TolerantDecoder(Generic[_T]):
    """Decodes JSON of a form, without the parts that can be done without where they have another one.

    Args:
        kind: The form: a struct, or a list of some.
    """

    def __init__(self, kind: type[_T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind, strict=False)

    def decode(self, content: bytes | msgspec.Raw) -> _T:
        """Decode it.

        Raises:
            msgspec.ValidationError: It has another form, in a part that is needed. Never of a part of the part.
            ValueError: It is no JSON.
            RecursionError: It is nested too deep.
        """
        try:
            return decode_json(self._decoder, bytes(content))
        except msgspec.ValidationError as error:
            try:
                found: _T = _by_parts(self._kind, bytes(content))
            except msgspec.ValidationError:
                raise error from None
            return found


Needed = Annotated[_T, msgspec.Meta(extra={"needed": True})]
"""Of a part that may be absent, but means too much to be passed over where it has another form."""


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


@cache
def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _by_parts(kind: Any, content: bytes) -> Any:
    """Decode the parts of a struct or list one by one; raises msgspec.ValidationError where a needed one is none."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next((one for one in get_args(kind) if one is not types.NoneType), kind)
    if get_origin(kind) is list:
        return [
            _one(get_args(kind)[0], bytes(element)) for element in decode_json(_decoder(list[msgspec.Raw]), content)
        ]
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        raise msgspec.ValidationError("of another form")
    parts, kept = decode_json(_decoder(dict[str, msgspec.Raw]), content), {}
    for field in _fields(kind):
        part = parts.get(field.encode_name)
        if part is None and field.required:
            raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}`")
        if part is None:
            continue
        try:
            kept[field.name] = _one(field.type, bytes(part))
        except msgspec.ValidationError:
            if field.required or get_origin(field.type) is Annotated:
                raise
    return kind(**kept)


def _one(kind: Any, content: bytes) -> Any:
    try:
        return decode_json(_decoder(kind), content)
    except msgspec.ValidationError:
        return _by_parts(kind, content)


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
