"""Queries sent as multipart forms, as clickhouse-connect does when there are many parameters."""

from email.message import Message
from email.parser import BytesParser

from console.sqldoor.refusal import BAD_ARGUMENTS, NOT_IMPLEMENTED, refused


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return a multipart form's fields.

    Raises:
        DoorError: It is no such form, or it brings files: tables sent along are not taken.
    """
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    fields = {}
    for part in message.walk():
        if part is message:
            continue
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise refused(BAD_ARGUMENTS, "The form cannot be read")
        if part.get_filename() is not None:
            raise refused(NOT_IMPLEMENTED, "External tables are not taken here")
        fields[name] = _text(part)
    if not fields:
        raise refused(BAD_ARGUMENTS, "The form cannot be read")
    return fields


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        raise refused(BAD_ARGUMENTS, "The form cannot be read")
    return payload.decode("utf-8", "surrogateescape")
