"""What can go wrong with a request to Jira, by what to do about it: Jira's own message, and the remedy.

The body of an answer is read here too, whole and in UTF-8, and decoded into what Rollcall looks at. A part that can be
done without, such as a count or a name, is one that Jira does not give where it has another form: it spoils nothing. So
the forms in `reconcile.responses` have a default for what can be done without.
"""

import codecs
import re
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit

import httpx
import msgspec

from reconcile.client.endpoints import Endpoint
from rollcall.errors import RollcallError
from rollcall.jira.values import decode_json

_T = TypeVar("_T")


class JiraError(RollcallError):
    """Jira did not give what was requested; the text says what to do."""


class JiraRefusedError(JiraError):
    """Jira understood and refused, or answered with something else; asking again gives the same.

    Attributes:
        status: HTTP status of the answer; 0 when the answer itself was unusable.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class AccountRefusedError(JiraRefusedError):
    """Jira refuses the account itself, with 401 or a login reason: whatever else is requested would be, too.

    Attributes:
        login_failed: Whether the answer says so in so many words.
    """

    def __init__(self, text: str, status: int = 401, *, login_failed: bool = False) -> None:
        super().__init__(text, status)
        self.login_failed = login_failed


class NotThereError(JiraRefusedError):
    """What was requested is not there (any more), or may not be seen: 404 says both (OpenAPI file)."""


class NoJsonError(JiraRefusedError):
    """The answer is no JSON, or not all of one."""


class FewerGivenError(JiraRefusedError):
    """Jira counts more of something than it gives.

    Attributes:
        lacking: How many.
    """

    def __init__(self, text: str, lacking: int) -> None:
        super().__init__(text)
        self.lacking = lacking


class JiraUnavailableError(JiraError):
    """Jira could not be reached or answered "later" too often; it may be there later.

    Attributes:
        limited: Whether it takes no more requests of us now (429), whatever is requested.
    """

    def __init__(self, text: str, *, limited: bool = False) -> None:
        super().__init__(text)
        self.limited = limited


class PagingError(JiraError):
    """A list of pages does not end: Jira gave the same page again, or far too many."""


_LONGEST = 300
_READ = 20_000
"""Bytes of a refusal that are looked through for a cause; an error page is longer than any message."""

_SITE_URL = "is the site's url that of a Jira Cloud site?"
_LOGIN = (
    "check email and api_token: expired or revoked tokens look like this, and so do tokens with scopes used at "
    "the site's own URL (set scoped_token = true) and those of service accounts sent as a password (set "
    'api_token_type = "bearer")'
)
_REMEDIES = {
    400: "Rollcall asked in a way that this Jira does not take; please report it",
    401: _LOGIN,
    403: "the account lacks a permission (Browse users and groups, Administer Jira), or the token a scope; "
    "`rollcall check` says which",
    404: "not there, or not visible to the account",
    410: "Atlassian has removed this endpoint; a newer Rollcall is needed",
}
_SCOPES = (
    "the token works, but lacks a scope that this needs: make one with read:jira-work, read:jira-user and "
    "manage:jira-configuration; docs/reconcile.md says what each is for"
)
_ALLOWLIST = (
    "the organization's IP allowlist does not have this machine's address: an organization admin adds it at "
    "admin.atlassian.com, Security > IP allowlists"
)
_CAPTCHA = (
    "Jira wants a CAPTCHA after failed logins of this account: log in with it once in a browser and answer it, and "
    "stop whatever else logs in with an old token"
)

LOGIN_REASON = "x-seraph-loginreason"
"""Says how the login went; a dead token may be answered 200 and empty, with AUTHENTICATED_FAILED here (reports)."""

_DENIED_REASON = "x-authentication-denied-reason"
_REASON = re.compile("[A-Z_]{2,40}", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"[a-z0-9:]([a-z0-9.:-]{0,251}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_SCOPE_WORDS = re.compile(r"scopes? (does|do) not match|insufficient[ _]scope", re.IGNORECASE)
_ALLOWLIST_WORDS = re.compile(
    r"\bip[ -]?address\b.{0,80}\b(reject|block|restrict|not (on|in|allow|permit))|\bip[ -]?(allow|white)[ -]?list",
    re.IGNORECASE | re.DOTALL,
)
"""Atlassian's support page has "The IP address has been rejected because it is not on the allowed list."."""


def account_refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str]) -> AccountRefusedError | None:
    """Return the error for an answer whose headers say that the login failed; None for any other.

    Args:
        endpoint: What was requested.
        status: HTTP status; such answers come with 200, too.
        headers: The answer's headers, several of one name joined by commas.
    """
    denied = headers.get(_DENIED_REASON, "")
    reasons = [reason for text in headers.get(LOGIN_REASON, "").split(",") if (reason := text.strip())]
    failed = [reason for reason in reasons if reason.upper() != "OK"]
    if not failed and not denied.strip():
        return None
    named = _REASON.search(denied or failed[0])
    words = named.group().upper() if named else "an unknown reason"
    captcha = bool(denied.strip()) or any("DENIED" in reason.upper() for reason in failed)
    return AccountRefusedError(
        f"{endpoint.name}: Jira answers {status} and refuses the login ({words}); {_CAPTCHA if captcha else _LOGIN}",
        status if status >= 400 else 401,
        login_failed=True,
    )


def refusal(
    endpoint: Endpoint, status: int, body: bytes, secret: str, *, location: str = "", known: bool = True
) -> JiraRefusedError:
    """Return the error for an answer that asking again would not change.

    Args:
        endpoint: What was requested.
        status: HTTP status.
        body: The answer; its ``errorMessages`` are quoted, shortened.
        secret: Never quoted, whatever Jira says.
        location: Where a redirect leads; of it the host alone is quoted.
        known: Whether this is known to be a Jira site, by a good answer before.
    """
    if 300 <= status < 400 and status != 304:
        return JiraRefusedError(f"{endpoint.name}: Jira answers {status}, {_redirect(status, location)}", status)
    words = jira_message(body, secret)
    quoted = f": {words}" if words else ""
    text = words or body[:_READ].decode("utf-8", "replace")
    remedy = _remedy(status, text, known=known or bool(words))
    if remedy in (_LOGIN, _CAPTCHA):
        error: type[JiraRefusedError] = AccountRefusedError
    else:
        error = NotThereError if status == 404 else JiraRefusedError
    return error(f"{endpoint.name}: Jira answers {status}{quoted}{f'; {remedy}' if remedy else ''}", status)


def _redirect(status: int, location: str) -> str:
    host = _host_of(location)
    leads = f" (it leads to {host})" if host else ""
    moved = "; if that is the site's new address, put it into its url" if host and status in (301, 308) else ""
    return f"a redirect, which is never followed{leads}; check the site's url{moved}"


def _host_of(location: str) -> str:
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


def _remedy(status: int, text: str, *, known: bool) -> str:
    if status in (401, 403):
        if _SCOPE_WORDS.search(text):
            return _SCOPES
        if _ALLOWLIST_WORDS.search(text):
            return _ALLOWLIST
        if "captcha" in text.lower() or "AUTHENTICATION_DENIED" in text:
            return _CAPTCHA
    if status in (404, 405) and not known:
        return _SITE_URL
    return _REMEDIES.get(status, "")


def jira_message(body: bytes, secret: str = "") -> str:
    """Return Jira's own message from an error's body, in one short line; empty when there is none.

    Args:
        body: What Jira answered.
        secret: Left out.
    """
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        texts = list(_texts(found))
    except (ValueError, RecursionError):
        return ""
    line = " ".join(" ".join(text.split()) for text in texts if text)
    if secret:
        line = line.replace(secret, "…")
    shown = "".join(char if char.isprintable() else "�" for char in line)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _texts(found: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    """Yield all texts that name a cause: the forms of Jira, of the gateway and of OAuth (seen in reports)."""
    for name in ("errorMessages", "errorMessage", "errors", "message", "error", "error_description"):
        value = msgspec.json.decode(found[name]) if name in found else None
        if isinstance(value, dict):
            yield from (f"{key}: {text}" if isinstance(text, str) else str(key) for key, text in value.items())
        elif isinstance(value, list):
            yield from (text for text in map(_text, value) if text)
        elif isinstance(value, str):
            yield value


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value.get("title")
    return value if isinstance(value, str) else ""


_MOST_BYTES = 256 << 20
"""Of one answer, unpacked: more than a page of the longest histories, and little enough for a small machine."""

_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


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
