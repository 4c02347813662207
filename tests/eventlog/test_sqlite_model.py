"""Any sequence of calls does what a list in memory does."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollcall.eventlog import Entry, Reader, Record
from rollcall.eventlog.sqlite import SqliteLog

from .sqlite_place import SqlitePlace

AGE_MS = 1000
SIZE = 40
GROUPS = st.sampled_from(["one", "two"])


class Member:
    """A group as the model knows it, and its reader."""

    def __init__(self, reader: Reader, committed: int) -> None:
        self.reader = reader
        self.committed = committed
        self.next = committed
        self.read: list[Entry] = []


class LogMachine(RuleBasedStateMachine):
    """The model: every record ever appended with its time, how many of the oldest went, each group's position."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.place = SqlitePlace(Path(self.folder.name) / "events.db").bounded(kept_for_ms=AGE_MS, kept_bytes=SIZE)
        self.topic = self.place.consumed.name
        self.log: SqliteLog = self.runner.run(self.place.open())
        self.appended: list[tuple[bytes, int]] = []
        self.gone = 0
        self.groups: dict[str, Member] = {}

    @rule(values=st.lists(st.binary(max_size=12), max_size=5))
    def append(self, values: list[bytes]) -> None:
        self.runner.run(self.log.append(self.topic, [Record(value) for value in values]))
        self.appended += [(value, self.place.clock.ms) for value in values]

    @rule(group=GROUPS)
    def join(self, group: str) -> None:
        before = self.groups.get(group)
        if before:
            self.runner.run(before.reader.close())
        reader = self.runner.run(self.log.reader(self.topic, group))
        self.groups[group] = Member(reader, before.committed if before else 0)

    @rule(group=GROUPS, count=st.integers(1, 7))
    def read(self, group: str, count: int) -> None:
        if member := self.groups.get(group):
            entries = self.runner.run(member.reader.read(count, 0))
            first = max(member.next, self.gone)
            assert [entry.value for entry in entries] == [v for v, _ in self.appended[first : first + count]]
            member.next = first + len(entries) if entries else member.next
            member.read += entries

    @rule(group=GROUPS, data=st.data())
    def commit(self, group: str, data: st.DataObject) -> None:
        member = self.groups.get(group)
        if member and member.read:
            entries = member.read[: data.draw(st.integers(0, len(member.read)))]
            self.runner.run(member.reader.commit(entries))
            # Offsets count from 1, and each is one more than the last.
            member.committed = max([member.committed, *(entry.offset for entry in entries)])

    @rule(group=GROUPS)
    def rewind(self, group: str) -> None:
        if member := self.groups.get(group):
            self.runner.run(member.reader.rewind())
            member.next = member.committed

    @rule(elapsed=st.integers(0, 2 * AGE_MS))
    def wait(self, elapsed: int) -> None:
        self.place.clock.ms += elapsed

    @rule()
    def retain(self) -> None:
        needed = min((member.committed for member in self.groups.values()), default=0)
        expected = self.gone
        while expected < needed:
            old = self.appended[expected][1] + AGE_MS <= self.place.clock.ms
            if not (old or sum(len(value) for value, _ in self.appended[expected:]) > SIZE):
                break
            expected += 1
        assert self.runner.run(self.log.retain()) == expected - self.gone
        self.gone = expected

    @precondition(lambda self: self.appended)
    @rule()
    def reopen(self) -> None:
        self.runner.run(self.log.close())
        self.log = self.runner.run(self.place.open())
        for name, member in self.groups.items():
            reader = self.runner.run(self.log.reader(self.topic, name))
            self.groups[name] = Member(reader, member.committed)

    @invariant()
    def state_is_that_of_the_model(self) -> None:
        kept = [value for value, _ in self.appended[self.gone :]]
        state = self.runner.run(self.log.state(self.topic))
        assert (state.records, state.bytes) == (len(kept), sum(map(len, kept)))
        assert state.lag == {
            name: len(self.appended) - max(member.committed, self.gone) for name, member in self.groups.items()
        }
        assert self.runner.run(self.scan(0)) == kept

    @rule(begin=st.integers(0, 20))
    def scan_from(self, begin: int) -> None:
        first = self.runner.run(self.first())
        left = [value for value, _ in self.appended[self.gone + begin :]]
        assert self.runner.run(self.scan(first + begin)) == left

    async def scan(self, begin: int) -> list[bytes]:
        return [entry.value async for entry in self.log.scan(self.topic, {0: begin})]

    async def first(self) -> int:
        return min([entry.offset async for entry in self.log.scan(self.topic)], default=0)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.log.close())
            self.runner.close()
            self.folder.cleanup()


LogMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
TestModel = LogMachine.TestCase
