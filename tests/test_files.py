"""Files are replaced whole and durably; a killed process cannot show a missing fsync, the system's calls can."""

import os
import stat
from pathlib import Path

import pytest

from console.transfer.manifest import write_file
from reconcile.state.checkpoint import LastRun, keep_last_run
from rollcall.files import read_secret_file, replace_file
from rollcall.settings import SiteSettings


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is synced and renamed, in order."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        it = os.fstat(descriptor)
        done.extend(
            f"fsync {path.name}" for path in (tmp_path, *tmp_path.iterdir()) if os.path.samestat(path.stat(), it)
        )
        fsync(descriptor)

    def renamed(path: Path, to: Path) -> Path:
        done.append(f"rename {path.name} {to.name}")
        return replace(path, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return done


def test_content_is_synced_before_the_name_and_the_folder_after_it(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "one").write_bytes(b"old, and longer")
    replace_file(tmp_path / "one", b"new")
    assert calls == ["fsync one.new", "rename one.new one", f"fsync {tmp_path.name}"]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"new"


def test_what_an_export_writes_and_what_a_run_remembers_is_synced_with_its_folder(
    tmp_path: Path, calls: list[str]
) -> None:
    write_file(tmp_path / "activity.parquet", b"rows")
    keep_last_run(tmp_path, "acme", LastRun(1, unfinished=False))
    assert [call for call in calls if not call.startswith("rename")] == [
        "fsync activity.parquet.new",
        f"fsync {tmp_path.name}",
        "fsync acme.last.new",
        f"fsync {tmp_path.name}",
    ]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_mode_of_the_file(tmp_path: Path, mode: int) -> None:
    replace_file(tmp_path / "one", b"", mode)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == mode & ~_umask()


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "one", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "one", b"new")
    assert (tmp_path / "one").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        (b"new\r\nold\r\n", [b"new", b"old"]),
        (b"  new \t\n\n\n", [b"new"]),
        (b"\xef\xbb\xbfnew\n\xef\xbb\xbfold\n", [b"new", b"old"]),
        (b"new\rold", [b"new", b"old"]),
    ],
)
def test_secrets_of_a_file_one_a_line(tmp_path: Path, content: bytes, secrets: list[bytes]) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(content)
    assert SiteSettings(url="https://acme.atlassian.net", webhook_secrets_file=path).secrets() == secrets


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_secret_is_what_was_typed(tmp_path: Path, before: bytes, end: bytes) -> None:
    """Windows' editors put a byte order mark before the text, and no signature made with it is Jira's."""
    path = tmp_path / "secret"
    path.write_bytes(before + b"s3cret" + end)
    assert read_secret_file("password_file", path).strip() == "s3cret"
    site = SiteSettings(url="https://acme.atlassian.net", webhook_secrets_file=path, api_token_file=path)
    assert (site.secrets(), site.token()) == ([b"s3cret"], "s3cret")


def test_a_byte_order_mark_alone_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbf\n")
    with pytest.raises(ValueError, match="is empty"):
        read_secret_file("password_file", tmp_path / "secret")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
