"""Identity: ids in any form make one key, and different facts make different keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall import identity
from rollcall.jira.values import account_id, jira_id

ids = st.integers(0, 2**63 - 1)


@given(ids)
def test_numbers_and_strings_are_the_same_id(number: int) -> None:
    assert jira_id(number) == jira_id(str(number)) == number


@pytest.mark.parametrize(
    "value", [None, True, 1.0, -1, 2**63, "", "-1", "1.0", " 1", "1e3", "abc", "٣", "1" * 20, [], {}]
)
def test_what_is_no_id(value: object) -> None:
    with pytest.raises(ValueError, match="not an id"):
        jira_id(value)


def test_keys_are_those_of_the_contract() -> None:
    assert identity.created("comment", 7) == "comment:7:created"
    assert identity.updated("worklog", 7, 1790102915652) == "worklog:7:updated:1790102915652"
    assert identity.deleted("comment", 7) == "comment:7:deleted"
    assert identity.history(7) == "history:7"
    assert identity.issue_created(7) == "issue:7:created"
    assert identity.issue_updated(7, 5, "99:a-b") == "issue:7:updated:5:99:a-b"
    assert identity.issue_updated(7, 5, "") == "issue:7:updated:5:"
    assert identity.issue_deleted(7) == "issue:7:deleted"


@given(ids, ids, ids)
def test_different_facts_never_share_a_key(one: int, other: int, moment: int) -> None:
    def keys(number: int) -> list[str]:
        entity_keys = [
            key
            for entity in ("comment", "worklog")
            for key in (
                identity.created(entity, number),
                identity.updated(entity, number, moment),
                identity.deleted(entity, number),
            )
        ]
        issue_keys = [identity.issue_created(number), identity.issue_updated(number, moment, "ann")]
        return [*entity_keys, *issue_keys, identity.issue_deleted(number), identity.history(number)]

    assert len(set(keys(one))) == len(keys(one))
    if one != other:
        assert not set(keys(one)) & set(keys(other))


def test_jiras_placeholder_for_a_corrupt_account_is_nobody() -> None:
    assert account_id("unknown") == account_id(None) == account_id("") == ""
    assert account_id("557058:f58131cb") == "557058:f58131cb"
