"""Facts on their way to the log: of two with one key in a batch, the one that names somebody goes."""

from pathlib import Path

import pytest

from reconcile.publisher import FactPublisher, NoExistingFacts
from reconcile.state.checkpoint import Found
from rollcall.records import Activity
from rollcall.runtime import opened

from ..facts import fact
from .backfilling import appended
from .site import settings_for

pytestmark = pytest.mark.anyio

WHEN = "2026-11-02T10:00:00"
NAMED = fact("comment:7:deleted", WHEN, action="deleted", source="reconcile")
NAMELESS = fact("comment:7:deleted", WHEN, action="deleted", source="reconcile", account_id="", account_type="")


@pytest.mark.parametrize("order", [(NAMED, NAMELESS), (NAMELESS, NAMED), (NAMELESS, NAMED, NAMELESS)])
@pytest.mark.parametrize("together", [True, False], ids=["one page", "several pages"])
async def test_who_did_it_is_not_forgotten_within_a_batch(
    tmp_path: Path, order: tuple[Activity, ...], together: bool
) -> None:
    settings = settings_for("https://acme.atlassian.net", tmp_path)
    found = Found()
    async with opened(settings, "a test") as runtime:
        publisher = FactPublisher(runtime, "acme", NoExistingFacts(), found)
        for facts in [order] if together else [(one,) for one in order]:
            await publisher.add(facts)
        await publisher.flush()
    assert found.facts == {"comment deleted": 1}
    written = await appended(settings)
    assert (written.records, written.facts) == (1, {NAMED.event_key: NAMED})
