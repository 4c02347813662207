"""What is said of a server that hangs up in ways that a handshake on one machine does not show, and of all the rest."""

import ssl
from http.client import BadStatusLine, RemoteDisconnected

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from rollcall.warehouse.engines import error_text


def passed_on(cause: Exception) -> OperationalError:
    """As urllib3 and clickhouse-connect pass an error on."""
    error = OperationalError("Error executing HTTP request")
    error.__cause__ = RuntimeError("Connection aborted.", cause)
    return error


@pytest.mark.parametrize(
    "cause",
    [
        RemoteDisconnected("Remote end closed connection without response"),
        BadStatusLine("\x15\x03\x01\x00\x02\x02\n"),  # an alert of TLS, read as HTTP
        ConnectionResetError(104, "Connection reset by peer"),
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_hanging_up_may_be_about_tls(cause: Exception) -> None:
    said = error_text(passed_on(cause))
    assert said.startswith("warehouse_url: the server hung up")
    assert "clickhouses://" in said
    assert "warehouse.client_cert_file" in said


@pytest.mark.parametrize("code", [192, 193, 194, 516])
def test_nothing_that_a_server_says_of_a_user_is_passed_on(code: int) -> None:
    said = error_text(DatabaseError("server response: wrong password 'hush'", code=code))
    assert said.startswith("warehouse_url, warehouse.password_file: ")
    assert str(code) in said
    assert "hush" not in said


def test_everything_else_is_its_first_line_cut_short() -> None:
    assert error_text(DatabaseError("Code: 60. No such table\nsecond line", code=60)) == "Code: 60. No such table"
    assert error_text(RuntimeError("x" * 1000)) == "x" * 300
    assert error_text(RuntimeError()) == "RuntimeError"
    assert error_text(passed_on(ConnectionRefusedError(111, "refused"))) == "Error executing HTTP request"
