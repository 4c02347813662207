"""A real nginx before page and SQL door, in the forms of our samples and in careless ones: nothing without a secret."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from ..docs.pages import blocks, text_of
from ..endtoend.installation import Installation, signature
from ..endtoend.webhooks import comment_created
from .nginx import nginx

PASSWORD = "correct horse battery"
TOKEN = "0123456789abcdef"
"""Of monitors."""
_, BODY = comment_created(1)
PERSON: str = json.loads(BODY)["comment"]["author"]["accountId"]

PLAIN = "proxy_pass http://127.0.0.1:{port};"
NEWER = PLAIN + ' proxy_http_version 1.1; proxy_set_header Connection "";'
CARELESS = {
    "plain": PLAIN,
    "with the Host of the request": PLAIN + " proxy_set_header Host $http_host;",
    "with a local Host": PLAIN + " proxy_set_header Host localhost;",
    "with the client's address": PLAIN + " proxy_set_header X-Forwarded-For $remote_addr;",
    "1.1": NEWER,
    "1.1 with the Host of the request": NEWER + " proxy_set_header Host $http_host;",
    "1.1 with the client's address": NEWER + " proxy_set_header X-Forwarded-For $remote_addr;",
    "1.1 with the scheme": NEWER + " proxy_set_header X-Forwarded-Proto $scheme;",
    "1.1 with a port": NEWER + " proxy_set_header X-Forwarded-Port 443;",
}
"""What stands in `location /`."""
WITHOUT_A_TRACE = {"1.1", "1.1 with the Host of the request"}
"""What cannot be told from a client here, as docs/page.md and docs/sql.md warn; secrets hold all the same,
metrics_token too."""

KINDS = ("as it comes", "with a password", "unprotected")
CASES = [(kind, form) for kind in KINDS for form in CARELESS if kind != "unprotected" or form not in WITHOUT_A_TRACE]

ASKED = (
    "/", "/?site=acme", "/live", "/live?site=acme", "/sign-in", "/sign-in?token=x", "/static", "/metrics", "/readyz",
    "//", "/index.html", "/%2e/", "/?query=SELECT+*+FROM+user_days", "/?query=SELECT+*+FROM+user_days&password=x",
)  # fmt: skip


def locations(form: str, port: int) -> str:
    return f"location / {{ {form.replace('{port}', str(port))} }}"


def told(url: str) -> str:
    """All that a stranger gets to read."""
    texts = []
    with httpx.Client(base_url=url, timeout=60, follow_redirects=False) as stranger:
        for path in ASKED:
            for method, body in (("GET", None), ("POST", b"SELECT * FROM user_days")):
                for host in ({}, {"host": "localhost"}, {"host": "rollcall.example"}):
                    answer = stranger.request(method, path, content=body, headers=host)
                    texts.append(f"{answer.headers}\n{answer.text}")
    return "\n".join(texts)


def started(folder: Path, settings: str = "") -> Installation:
    up = Installation(folder, extra_settings=settings)
    up.start()
    up.wait_for("/readyz")
    assert up.post(BODY) == 204
    up.wait_until_shown()
    return up


@pytest.fixture(scope="module")
def ups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Installation]]:
    """Three that run: as it comes, with a password, and opened to loopback in so many words."""
    with ExitStack() as stack:
        made = {}
        for name, settings in (
            ("as it comes", ""),
            ("with a password", f'metrics_token = "{TOKEN}"\npage.password = "{PASSWORD}"'),
            ("unprotected", "sql_unprotected = true\npage.unprotected = true"),
        ):
            made[name] = started(tmp_path_factory.mktemp("up"), settings)
            stack.callback(made[name].stop)
        yield made


def seen_by_its_reader(up: Installation) -> bool:
    return PERSON in httpx.get(up.url, auth=("x", PASSWORD), timeout=60).text


def test_there_is_something_to_be_told(ups: dict[str, Installation]) -> None:
    assert seen_by_its_reader(ups["with a password"])
    assert PERSON in httpx.get(ups["as it comes"].url, cookies=ups["as it comes"].session, timeout=60).text
    assert PERSON in httpx.get(ups["unprotected"].url, timeout=60).text
    assert PERSON in ups["as it comes"].sql("SELECT * FROM user_days").text


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_careless_proxy_publishes_nothing(ups: dict[str, Installation], tmp_path: Path, kind: str, form: str) -> None:
    up = ups[kind]
    for name, port in (("page", up.port), ("door", up.sql_port)):
        with nginx(tmp_path / name, locations(CARELESS[form], port)) as url:
            text = told(url)
            assert PERSON not in text, name
            assert up.folder.as_posix() not in text, name
            if form not in WITHOUT_A_TRACE or kind == "with a password":
                assert "rollcall_webhooks_total" not in text, name
                assert '"consumers"' not in text, name


def sample(page: str, port: int) -> tuple[str, str]:
    """The nginx sample of a page of the docs, for our ports and without TLS: what is in the server, and beside it."""
    [text] = blocks(text_of(page), "nginx")
    text = re.sub(r"^.*(ssl|server_name|listen).*\n", "", text, flags=re.MULTILINE).replace(
        "127.0.0.1:8080", f"127.0.0.1:{port}"
    )
    text = text.replace("include /etc/nginx/atlassian.conf;", "allow 127.0.0.1;")
    beside, server, within = text.partition("server {\n")
    return (within.rstrip().removesuffix("}"), beside) if server else (text, "")


def test_the_sample_for_webhooks_lets_them_in_and_nothing_out(ups: dict[str, Installation], tmp_path: Path) -> None:
    for up in ups.values():
        within, beside = sample("docs/webhooks.md", up.port)
        with nginx(tmp_path / up.folder.name, within, http=beside) as url:
            body = comment_created(2)[1]
            assert httpx.post(f"{url}/webhooks/acme", content=body, headers=signature(body)).status_code == 204
            assert httpx.post(f"{url}/webhooks/acme", content=body).status_code == 401
            large = b"x" * (2 * 1024 * 1024)
            assert httpx.post(f"{url}/webhooks/acme", content=large, headers=signature(large)).status_code == 204
            text = told(url)
            assert PERSON not in text
            assert "rollcall_" not in text
            assert {httpx.get(url + path).status_code for path in ("/", "/metrics", "/readyz", "/live")} == {404}


def test_the_sample_for_webhooks_is_for_atlassian_alone(ups: dict[str, Installation], tmp_path: Path) -> None:
    within, beside = sample("docs/webhooks.md", ups["as it comes"].port)
    with nginx(tmp_path / "n", within.replace("allow 127.0.0.1;", "allow 192.0.2.0/24;"), http=beside) as url:
        body = comment_created(2)[1]
        assert httpx.post(f"{url}/webhooks/acme", content=body, headers=signature(body)).status_code == 403


def test_the_sample_for_the_page_shows_it_to_who_signs_in(ups: dict[str, Installation], tmp_path: Path) -> None:
    within, beside = sample("docs/operations.md", ups["with a password"].port)
    with nginx(tmp_path / "n", within, http=beside) as url:
        text = told(url)
        assert PERSON not in text
        assert "rollcall_" not in text
        with httpx.Client(base_url=url, headers={"origin": url}) as viewer:
            assert viewer.get("/").headers["location"].endswith("/sign-in")
            assert viewer.post("/sign-in", data={"password": PASSWORD}).status_code == 303
            assert PERSON in viewer.get("/").text
            assert viewer.get("/static/page.css").status_code == 200
            assert viewer.post("/sign-out").status_code == 303
            assert PERSON not in viewer.get("/").text


PROOF = "0123456789abcdef0123"
SIGNED_IN = {"session=ann": ("ann", "staff,admins"), "session=bob": ("bob", "staff")}


@contextmanager
def auth_request() -> Iterator[int]:
    """What nginx asks who somebody is, as oauth2-proxy answers it; the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user, groups = SIGNED_IN.get(self.headers.get("cookie", ""), ("", ""))
            self.send_response(202 if user else 401)
            if user:
                self.send_header("X-Auth-Request-User", user)
                self.send_header("X-Auth-Request-Groups", groups)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def test_the_sample_of_a_proxy_that_signs_people_in(tmp_path: Path) -> None:
    proxy = f'page.proxy = {{ user_header = "X-Forwarded-User", secret = "{PROOF}" }}'
    up = started(tmp_path / "up", f'page.names_groups = ["admins"]\n{proxy}')
    within, beside = sample("docs/page.md", up.port)
    secret = tmp_path / "rollcall_secret.conf"
    secret.write_text(f'proxy_set_header X-Rollcall-Proxy-Secret "{PROOF}";')
    forged = {"x-forwarded-user": "ann", "x-forwarded-groups": "admins", "x-rollcall-proxy-secret": PROOF[:-1]}
    try:
        with auth_request() as port:
            within = within.replace("127.0.0.1:4180", f"127.0.0.1:{port}")
            within = within.replace("/etc/nginx/rollcall_secret.conf", str(secret))
            with nginx(tmp_path / "n", within, http=beside) as url:
                text = told(url)
                assert PERSON not in text
                assert "rollcall_webhooks_total" not in text
                for path in ("/", "/seats", "/api/v1/sites", "/seats.csv"):
                    for sent in ({}, forged):
                        assert httpx.get(url + path, headers=sent).status_code == 401, path
                        bob = httpx.get(url + path, headers={**sent, "cookie": "session=bob"})
                        assert (bob.status_code, PERSON in bob.text) == (403, False), path
                        ann = httpx.get(url + path, headers={**sent, "cookie": "session=ann"}, timeout=60)
                        assert ann.status_code == 200, path
                assert PERSON in httpx.get(url, headers={"cookie": "session=ann"}, timeout=60).text
        past_it = httpx.get(up.url, headers=forged)
        assert (past_it.status_code, PERSON in past_it.text) == (403, False)
    finally:
        up.stop()
