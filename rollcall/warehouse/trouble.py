"""What goes wrong with a server, in the words of this project: the setting to look at comes first."""

import ssl
from collections.abc import Iterator
from http.client import BadStatusLine

_LONGEST = 300
"""Characters of an engine's error text that are passed on."""

_UNKNOWN_CALLER = frozenset({192, 193, 194, 516})
"""ClickHouse error codes of a user that is unknown, or that did not prove to be that user."""

_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's codes of a certificate that is for another host name or address."""

_OWN_FILES = "warehouse.ca_file, warehouse.client_cert_file, warehouse.client_key_file"


def explained(error: Exception) -> str:
    """Return one line on an error of clickhouse-connect's: the setting and the remedy if it is of TLS or of the user.

    Nothing that a server says of a user is passed on.
    """
    if getattr(error, "code", None) in _UNKNOWN_CALLER:
        return (
            "warehouse_url, warehouse.password_file: the server refuses the user or how it proves itself (ClickHouse "
            f"error {getattr(error, 'code', None)}); check name and password, or the client certificate"
        )
    for cause in _causes(error):
        if isinstance(cause, BadStatusLine | ConnectionResetError | ssl.SSLEOFError):
            return (
                "warehouse_url: the server hung up instead of answering. If it always does, its port may want TLS "
                "(clickhouses://), or a certificate of ours (warehouse.client_cert_file)"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrusted(cause)
        if isinstance(cause, ssl.SSLError):
            return _without_tls(cause)
    return _brief(error)


def _distrusted(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OTHER_NAME:
        return (
            f"warehouse_url: the server's certificate is for another host ({error.verify_message}); write a host "
            "that it names"
        )
    return (
        f"warehouse.ca_file: the server's certificate cannot be trusted ({error.verify_message}); name the PEM file "
        "of the authority that signed it"
    )


def _without_tls(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return "warehouse_url: no TLS is spoken at the server's port; write the port for TLS, or clickhouse://"
    return (
        f"{_OWN_FILES}: there is no TLS with the server ({reason[:_LONGEST]}); the files must be PEM, certificate "
        "and key of one another, and the certificate one that the server takes"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go inwards; urllib3 keeps some of them as an argument only."""
    while error is not None:
        yield error
        kept = next((one for one in error.args if isinstance(one, BaseException)), None)
        error = error.__cause__ or error.__context__ or kept


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST]
