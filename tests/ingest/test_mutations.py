"""Sample bodies damaged at random: never a crash, never a wrong actor, never a body lost."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.handler import Translation, translate
from rollcall.errors import NotUnderstoodError
from rollcall.records import decode_activity, encode

from ..mutations import REPLACEMENTS, damage, paths
from .sample_table import CLOUD, DATA_CENTER, SAMPLES, Expected, Fact, NoFact

RECEIVED = 1_790_900_000_000
NAMES = [f"cloud/{name}" for name in CLOUD] + [f"data-center/{name}" for name in DATA_CENTER]
BODIES = {name: (SAMPLES / f"{name}.json").read_bytes() for name in NAMES}
EXPECTED: dict[str, Expected] = {f"cloud/{name}": want for name, want in CLOUD.items()}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(NAMES))
    payload = json.loads(BODIES[name])
    for path in draw(st.lists(st.sampled_from(paths(payload)), min_size=1, max_size=4)):
        damage(payload, path, draw(st.sampled_from(["drop", "null", "replace", "replace"])), draw(REPLACEMENTS))
    return name, json.dumps(payload, ensure_ascii=draw(st.booleans())).encode()


def attempt(body: bytes) -> Translation | NotUnderstoodError:
    try:
        return translate("acme", body, "", RECEIVED)
    except NotUnderstoodError as error:
        return error


def judge(name: str, body: bytes) -> None:
    told = attempt(body)
    if isinstance(told, NotUnderstoodError):
        assert told.reason
        assert "lorem" not in told.detail
        return
    want = EXPECTED.get(name)
    # A Data Center sample has no account id; with its people gone it is an anonymous act.
    account_id, account_type = (want.account_id, want.account_type) if isinstance(want, Fact) else ("", "")
    for fact in told.facts:
        assert fact.account_id in (account_id, "")
        assert fact.account_type in (account_type, "")
        assert decode_activity(encode(fact)) == fact
    if not told.facts and want is not None:
        event, original = (json.loads(text).get("webhookEvent") for text in (body, BODIES[name]))
        assert told.outcome == "ignored"
        assert event != original or isinstance(want, NoFact)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(damaged())
def test_values_dropped_nulled_retyped_and_huge(case: tuple[str, bytes]) -> None:
    judge(*case)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.floats(0, 1, exclude_max=True))
def test_truncated(name: str, share: float) -> None:
    body = BODIES[name].rstrip()
    with pytest.raises(NotUnderstoodError):
        translate("acme", body[: int(len(body) * share)], "", RECEIVED)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0), st.binary(min_size=1, max_size=4))
def test_bytes_overwritten(name: str, at: int, noise: bytes) -> None:
    """Noise may hit an account id and make another one of it, so only crashes and texts are looked for here."""
    body = bytearray(BODIES[name])
    at %= len(body)
    body[at : at + len(noise)] = noise
    told = attempt(bytes(body))
    assert isinstance(told, Translation) or "lorem" not in told.detail


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "latin-1", "gb18030"])
def test_encodings(name: str, encoding: str) -> None:
    judge(name, BODIES[name].decode().encode(encoding, "replace"))
