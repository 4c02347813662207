"""Each secret changed as docs/security.md says, while webhooks come: none is lost, and the old one is good no more."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from .installation import SECRET, Installation, signature
from .webhooks import comment_created

OLD, NEW = "the first password", "the second password"
OLD_TOKEN, NEW_TOKEN = "0123456789abcdef-first", "0123456789abcdef-second"


class Jira:
    """Posts webhooks one after the other, and each again until it is answered 204, as Jira does when nobody answers.

    Attributes:
        secret: What it signs with.
        keys: Of the facts that were answered 204.
        refused: Answers that make Jira give up.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._between = threading.Lock()
        self.secret = SECRET
        self.keys: list[str] = []
        self.refused: list[int] = []

    def change(self, secret: str) -> None:
        """Sign with another secret, once what is under way has been answered."""
        with self._between:
            self.secret = secret

    @contextmanager
    def posting(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        for number in count(1):
            key, body = comment_created(number)
            with self._between:
                if not self._deliver(body):
                    return
            self.keys.append(key)
            if self._stop.wait(0.02):
                return

    def _deliver(self, body: bytes) -> bool:
        while True:
            try:
                status = httpx.post(
                    self._url, content=body, headers=signature(body, self.secret), timeout=30
                ).status_code
            except httpx.TransportError:
                status = 503
            if status == 204:
                return True
            if status != 503:
                self.refused.append(status)
                return False
            self._stop.wait(0.05)


def test_no_webhook_is_lost_while_secrets_change(tmp_path: Path) -> None:
    secrets, password, token = tmp_path / "secrets", tmp_path / "password", tmp_path / "metrics_token"
    for path, text in ((secrets, SECRET), (password, OLD), (token, OLD_TOKEN)):
        path.write_text(text)
        path.chmod(0o600)
    up = Installation(
        tmp_path / "up",
        extra_settings=f'page.password_file = "{password}"\nmetrics_token_file = "{token}"',
    )
    up.config.write_text(
        up.config.read_text().replace(f'webhook_secrets = ["{SECRET}"]', f'webhook_secrets_file = "{secrets}"')
    )

    def restart() -> None:
        assert up.stop() == 0, up.output
        up.start()
        up.wait_for("/readyz")

    try:
        up.start()
        up.wait_for("/readyz")
        old_door = up.sql_token
        jira = Jira(up.webhook_url)
        fresh = SECRET[::-1]
        with jira.posting():
            secrets.write_text(f"{SECRET}\n{fresh}\n")
            restart()
            jira.change(fresh)
            secrets.write_text(f"{fresh}\n")
            restart()
            password.write_text(NEW)
            token.write_text(NEW_TOKEN)
            (up.folder / "sql_token").unlink()
            restart()
        assert jira.refused == []
        assert len(jira.keys) > 10
        up.wait_until_written()

        body = comment_created(1)[1]
        assert up.post(body, signature(body, SECRET)) == 401
        assert {httpx.get(up.url, auth=("x", word), timeout=60).status_code for word in (NEW, OLD)} == {200, 401}
        metrics = [
            httpx.get(f"{up.url}/metrics", headers={"authorization": f"Bearer {t}"}) for t in (NEW_TOKEN, OLD_TOKEN)
        ]
        assert [answer.status_code for answer in metrics] == [200, 401]
        assert up.sql_token != old_door
        url = f"http://127.0.0.1:{up.sql_port}"
        assert httpx.post(url, content="SELECT 1", auth=("x", old_door), timeout=60).status_code in (401, 403)
        found = up.sql("SELECT event_key FROM activity FINAL FORMAT JSONCompact").text
        assert sorted(row[0] for row in json.loads(found)["data"]) == sorted(jira.keys)
        assert up.stop() == 0, up.output
    finally:
        if up.process and up.process.poll() is None:
            up.kill()
