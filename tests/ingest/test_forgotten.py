"""What names somebody who is forgotten is not put on the log, be it a fact or a dead letter."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ingest.handler import WebhookHandler
from rollcall.forgotten_accounts import ForgottenAccounts, ForgottenFile
from rollcall.runtime import topics_of
from rollcall.settings import Settings

from .memory_log import MemoryLog

pytestmark = pytest.mark.anyio

ANNA, BERT = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077", "5b10ac8d82e05b22cc7d4ef5"
AT = 1_795_000_000_000


def body(account: str, comment: int = 7) -> bytes:
    author = {"accountId": account, "accountType": "atlassian"}
    entity = {"id": comment, "author": author, "updateAuthor": author, "created": AT, "updated": AT}
    issue = {"id": "10001", "key": "ACME-1"}
    return json.dumps({"webhookEvent": "comment_created", "timestamp": AT, "comment": entity, "issue": issue}).encode()


@pytest.fixture
def forgotten(tmp_path: Path) -> ForgottenFile:
    return ForgottenFile(tmp_path / "events.db-forgotten")


@pytest.fixture
def handler(memory_log: MemoryLog, forgotten: ForgottenFile) -> WebhookHandler:
    return WebhookHandler(memory_log, topics_of(Settings()), 5.0, forgotten)


@pytest.fixture
def memory_log() -> MemoryLog:
    return MemoryLog()


async def test_their_acts_are_answered_and_not_kept(
    handler: WebhookHandler, memory_log: MemoryLog, forgotten: ForgottenFile
) -> None:
    assert await handler.handle("acme", body(ANNA), {}) == ("comment_created", "facts")
    memory_log.records.clear()
    forgotten.add([ForgottenAccounts().entry_for(ANNA)])
    assert await handler.handle("acme", body(ANNA), {}) == ("comment_created", "ignored")
    assert not memory_log.records
    assert await handler.handle("acme", body(BERT), {}) == ("comment_created", "facts")
    assert memory_log.records


@pytest.mark.parametrize(
    "naming",
    [
        f'{{"accountId": "{ANNA}", broken',
        f'{{"self": "https://acme.atlassian.net/rest/api/2/user?accountId={quote(ANNA, safe="")}" broken',
        f'{{"body": "[~accountid:{ANNA}] look" broken',
    ],
)
async def test_nor_is_a_body_that_names_them(
    handler: WebhookHandler, memory_log: MemoryLog, forgotten: ForgottenFile, naming: str
) -> None:
    forgotten.add([ForgottenAccounts().entry_for(ANNA)])
    assert await handler.handle("acme", naming.encode(), {}) == ("other", "ignored")
    assert not memory_log.records
    assert await handler.handle("acme", naming.replace("f58131cb", "f58131cc").encode(), {}) == ("other", "dead_letter")
    assert memory_log.records


def test_the_file_is_added_to_after_a_cut_line_too(forgotten: ForgottenFile) -> None:
    first = ForgottenAccounts().entry_for(ANNA)
    forgotten.add([first])
    with forgotten.path.open("ab") as file:
        file.write(b"\n0123")
    second = forgotten.accounts().entry_for(BERT)
    assert second[0] == first[0]
    forgotten.add([second, first])
    again = ForgottenFile(forgotten.path).accounts()
    assert again.entries == {first, second}
    assert (ANNA in again, BERT in again, BERT + "0" in again) == (True, True, False)
    assert forgotten.path.stat().st_mode & 0o777 == 0o600
    assert ANNA.encode() not in forgotten.path.read_bytes()
