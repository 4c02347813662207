"""Settings of signing in at a provider of OpenID Connect."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call

import httpx
import pytest
from pydantic import ValidationError

from console.checks.installation import provider_finding
from rollcall.settings import PageSettings

from ..ports import free_port
from . import company
from .provider import Provider, of_provider, provided, sign_in
from .serving import served, settings_of


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provided() as one:
        yield one


def test_the_address_counts_where_it_is_verified(tmp_path: Path, provider: Provider) -> None:
    port = free_port()
    by_mail = of_provider(provider, port, openid={"groups_claim": "email"}, names_groups=["ann@acme.example"])
    settings = settings_of(tmp_path, company.SITES, by_mail, listen=f"127.0.0.1:{port}")
    with served(settings) as page:
        for verified, status in ((True, 200), (False, 403), ("true", 403), (None, 403)):
            provider.claims = {"sub": "1", "email": "ann@acme.example", "email_verified": verified}
            with httpx.Client(base_url=page.url) as viewer:
                assert sign_in(viewer).status_code == status, verified
        asked = {"email": "ann@acme.example", "email_verified": True}
        for token, told, status in (
            ({"email": "ann@acme.example"}, asked, 200),
            ({"email_verified": True}, {"email": "ann@acme.example"}, 403),
        ):
            provider.claims, provider.told_when_asked = {"sub": "1", **token}, told
            with httpx.Client(base_url=page.url) as viewer:
                assert sign_in(viewer).status_code == status, "both are of one source"


def test_passwords_work_beside_it(tmp_path: Path, provider: Provider) -> None:
    port, password = free_port(), "correct horse battery"
    both = of_provider(provider, port, password=password)
    settings = settings_of(tmp_path, company.SITES, both, listen=f"127.0.0.1:{port}")
    with served(settings) as page, httpx.Client(base_url=page.url, headers={"origin": page.url}) as viewer:
        form = viewer.get("/sign-in").text
        assert "Sign in at " in form
        assert 'name="password"' in form
        assert viewer.post("/sign-in", data={"password": password}).status_code == 303
        assert httpx.get(page.url, auth=("", password)).status_code == 200


def test_who_signed_in_is_in_the_log(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock()
    for module in ("access", "sign_in"):
        monkeypatch.setattr(f"console.web.{module}._log", told)
    port = free_port()
    settings = settings_of(tmp_path, company.SITES, of_provider(provider, port), listen=f"127.0.0.1:{port}")
    provider.claims = {"sub": "1", "preferred_username": "ann\x1b[31m~.", "groups": ["admins"]}
    with served(settings) as page, httpx.Client(base_url=page.url) as viewer:
        sign_in(viewer)
        viewer.get("/health")
    who = {"client": "127.0.0.1", "sees": "names", "user": "ann\\u001b[31m~."}
    assert told.info.mock_calls == [
        call("signed in at the page", **who),
        call("page viewed", by="session", kind="health", site="", outcome="ok", rows=0, **who),
    ]


def test_check_asks_the_provider(tmp_path: Path, provider: Provider) -> None:
    def found() -> tuple[bool, str]:
        finding = asyncio.run(provider_finding(settings_of(tmp_path, company.SITES, of_provider(provider, 1))))
        assert finding is not None
        return finding.ok, finding.found

    assert found() == (True, f"people sign in at 127.0.0.1:{provider.port}, which is as the settings say")
    provider.fault = "another issuer"
    assert not found()[0]
    assert "it names itself 'https://evil.example'" in found()[1]
    gone = Provider(free_port())
    finding = asyncio.run(provider_finding(settings_of(tmp_path, company.SITES, of_provider(gone, 1))))
    assert finding is not None
    assert "cannot be reached" in finding.found
    assert asyncio.run(provider_finding(settings_of(tmp_path, company.SITES))) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"names_groups": [], "figures_groups": []}, "lets none of them in"),
        ({"names_groups": ["a", " "]}, "empty name"),
        ({"figures_groups": ["admins"]}, "both in names_groups"),
        ({"public_url": ""}, "needs public_url"),
        ({"unprotected": True}, "unprotected = true"),
        ({"openid": {"issuer": "http://login.example", "client_id": "a", "client_secret": "b"}}, "must be https"),
        ({"openid": {"issuer": "https://login.example", "client_secret": "b"}}, "belong together"),
        ({"openid": {"issuer": "https://login.example", "client_id": "a"}}, "needs client_secret_file"),
        (
            {"openid": {"issuer": "https://a.example", "client_id": "a", "client_secret": "b", "ca_file": "/no"}},
            "holds no certificates",
        ),
        ({"openid": {}}, "nobody tells"),
        ({"openid": {"client_secret": "b"}}, "no issuer"),
        ({"public_url": "http://rollcall.example"}, "must be https"),
    ],
)
def test_settings_that_let_nobody_in_or_anybody_are_refused(wrong: dict[str, Any], said: str) -> None:
    right = of_provider(Provider(1), 2)
    assert PageSettings.model_validate(right).signs_in
    with pytest.raises(ValidationError, match=said):
        PageSettings.model_validate({**right, **wrong})
