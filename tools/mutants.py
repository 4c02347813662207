"""``python -m tools.mutants``: break the code on purpose, one place at a time, and see the tests named beside it fail.

The list is ``tools/mutants.toml``. Each mutant is put into a copy of the tree, and only its own tests run there: quick,
and it shows that the promise is kept by the tests that claim to keep it. First they run without any mutant, as a test
that fails anyway would kill all.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")

_SECONDS = 400
"""For the tests of one mutant; one that hangs has been noticed too."""
_FAILED = 1
"""Exit code of pytest."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change that must not go unnoticed.

    Attributes:
        number: Its place in the list, from 1.
        what: What is wrong with it, in a few words.
        file: The file that it changes, from the root.
        old: The text that it replaces, which stands there exactly once.
        new: The text that it puts there.
        tests: Node ids of tests, without parameters, of which at least one must fail.
    """

    number: int
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """Read the list. Raises TypeError for an entry that lacks something or has something else."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(number, **{**one, "tests": tuple(one["tests"])}) for number, one in enumerate(entries, 1)]


def mutated(mutant: Mutant, root: Path) -> str:
    """Return the changed file's text.

    Args:
        mutant: The change.
        root: The tree.

    Raises:
        ValueError: The old text does not stand there exactly once, or what comes out is no Python.
    """
    path = root / mutant.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if (found := text.count(mutant.old)) != 1 or mutant.old == mutant.new:
        raise ValueError(f"{mutant.file} has the old text {found} times, not once: change the list with the code")
    changed = text.replace(mutant.old, mutant.new)
    if path.suffix == ".py":
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise ValueError(f"{mutant.file} is no Python any more with the new text: {error}") from None
    return changed


def copy_tree(root: Path, to: Path) -> None:
    """Copy the files that git knows of or would add, as they are now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)


def run_tests(tree: Path, tests: Iterable[str]) -> tuple[int, str]:
    """Run tests in a tree until one fails; return pytest's exit code and what it printed."""
    # No bytecode: a change that keeps a file's size within the same second would run as the code before it.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *dict.fromkeys(tests)]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return _FAILED, "the tests do not end"
    return done.returncode, done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: killed when `trouble` is empty."""

    mutant: Mutant
    trouble: str
    seconds: float = 0.0


def try_mutant(mutant: Mutant, tree: Path) -> Verdict:
    """Put a mutant into a tree, run its tests, and take it out again."""
    began = monotonic()
    path = tree / mutant.file
    try:
        changed = mutated(mutant, tree)
    except ValueError as error:
        return Verdict(mutant, str(error))
    original = path.read_bytes()
    path.write_text(changed, encoding="utf-8")
    try:
        code, output = run_tests(tree, mutant.tests)
    finally:
        path.write_bytes(original)
    if code == _FAILED:
        trouble = ""
    elif code == 0:
        trouble = "SURVIVED: none of its tests failed" if " passed" in output else "its tests are skipped here"
    else:
        trouble = f"its tests could not be run (pytest says {code}):\n{output}"
    return Verdict(mutant, trouble, monotonic() - began)


def try_all(mutants: Sequence[Mutant], root: Path = ROOT, jobs: int = 2) -> list[Verdict]:
    """Try mutants, several at a time, each in a copy of the tree; tell how each went as it ends.

    Args:
        mutants: Which.
        root: The tree, which stays as it is.
        jobs: How many at a time.

    Raises:
        RuntimeError: Their tests fail without any of them.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        copies = [Path(folder, str(number)) for number in range(jobs)]
        free = SimpleQueue[Path]()
        for copy in copies:
            copy_tree(root, copy)
            free.put(copy)
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        print(f"{len(mutants)} mutants; first their {len(tests)} tests without any", flush=True)
        shares = [share for number in range(jobs) if (share := tests[number::jobs])]
        for code, output in pool.map(run_tests, copies, shares):
            if code:
                raise RuntimeError(f"the tests fail without a mutant:\n{output}")

        def one(mutant: Mutant) -> Verdict:
            tree = free.get()
            try:
                verdict = try_mutant(mutant, tree)
            finally:
                free.put(tree)
            told = verdict.trouble or f"killed in {verdict.seconds:.0f} s"
            print(f"{mutant.number:3} {mutant.file}: {mutant.what}: {told}", flush=True)
            return verdict

        return list(pool.map(one, mutants))


def main() -> int:
    """Run the command; return 1 when a mutant lives or cannot be tried."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description="Try the mutants of the list.")
    parser.add_argument("numbers", nargs="*", type=int, help="which, by their place in the list; all without any")
    parser.add_argument("--sample", type=int, metavar="COUNT", help="try so many, chosen by the seed")
    parser.add_argument("--seed", default="", help="what chooses the sample, such as a commit's hash")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    options = parser.parse_args()
    mutants = read_mutants()
    if options.numbers:
        mutants = [mutant for mutant in mutants if mutant.number in options.numbers]
        if len(mutants) < len(set(options.numbers)):
            parser.error(f"the list has the numbers 1 to {len(read_mutants())}")
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))  # noqa: S311 - no secret
        mutants = sorted(chosen, key=lambda mutant: mutant.number)
    try:
        verdicts = try_all(mutants, jobs=options.jobs)
    except RuntimeError as error:
        print(error)
        return 1
    alive = [verdict.mutant for verdict in verdicts if verdict.trouble]
    print(f"{len(verdicts) - len(alive)} of {len(verdicts)} killed")
    for mutant in alive:
        print(f"  {mutant.number} lives: {mutant.file}: {mutant.what}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
