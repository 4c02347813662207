"""Signatures, with the vector that Atlassian publishes."""

import hashlib
import hmac

import pytest

from ingest.endpoint import parse_signature, signed

SECRET = b"It's a Secret to Everybody"
BODY = b"Hello World!"
OFFICIAL = b"sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"


def accepted(header: bytes, *secrets: bytes, body: bytes = BODY) -> bool:
    signature = parse_signature(header)
    return signature is not None and signed(body, signature, secrets)


def made(method: str, secret: bytes = SECRET) -> bytes:
    return f"{method}={hmac.new(secret, BODY, method).hexdigest()}".encode()


def test_the_official_vector() -> None:
    assert accepted(OFFICIAL, SECRET)


@pytest.mark.parametrize("method", ["sha256", "sha384", "sha512"])
def test_the_method_is_read_from_the_header(method: str) -> None:
    assert accepted(made(method), SECRET)


@pytest.mark.parametrize("header", [OFFICIAL.upper(), b" " + OFFICIAL + b" ", OFFICIAL.replace(b"sha", b"SHA")])
def test_case_and_blanks_do_not_matter(header: bytes) -> None:
    assert accepted(header, SECRET)


def test_any_of_several_secrets_counts() -> None:
    assert accepted(OFFICIAL, b"next", SECRET)
    assert accepted(OFFICIAL, SECRET, b"previous")
    assert not accepted(OFFICIAL, b"next", b"previous")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"=",
        b"sha256",
        b"sha256=",
        OFFICIAL[:-1],
        OFFICIAL + b"0",
        OFFICIAL[7:],
        OFFICIAL[:-1] + b"8",
        OFFICIAL[:-1] + b"z",
        b"sha256=" + OFFICIAL,
        b"sha512=" + OFFICIAL[7:],
        b"none=" + OFFICIAL[7:],
        b"sha256=" + b"\xff" * 64,
        made("sha1"),
        made("md5"),
        made("sha224"),
        b"sha3_256=" + hmac.new(SECRET, BODY, hashlib.sha3_256).hexdigest().encode(),
        made("sha256", b""),
        made("sha256", b"other"),
    ],
)
def test_everything_else_is_refused(header: bytes) -> None:
    assert not accepted(header, SECRET)


def test_another_body_is_refused() -> None:
    assert not accepted(OFFICIAL, SECRET, body=BODY + b" ")


def test_no_secret_accepts_nothing() -> None:
    assert not accepted(OFFICIAL)
