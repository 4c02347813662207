"""A process that answers as a ClickHouse server does, from chDB: what comes over HTTP is run as sent.

Not a real server: it has one user at a time, and replicas that do not speak to each other. Without a guard everybody is
that user, and may do everything. `python -m tests.warehouse.standin FOLDER PORT [SETTING=VALUE ...]` prints its
port, any free one for 0.
"""

import argparse
import re
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import chdb
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..deploy.users import lend
from .letting_in import Naming, refusal

OF_HTTP = {
    "query",
    "database",
    "user",
    "password",
    "session_id",
    "query_id",
    "role",
    "buffer_size",
    "compress",
    "client_protocol_version",
    "wait_end_of_query",
    "enable_http_compression",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
}
INSERT = re.compile(r"\s*(INSERT INTO .*?)\s+FORMAT\s+(\w+)\s*", re.DOTALL | re.IGNORECASE)
FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


def application(folder: Path, forced: dict[str, str], user: str, password: str, config: Path | None) -> Starlette:
    """The server.

    Args:
        folder: The files of the embedded engine.
        forced: Settings that its profile does not let anyone change.
        user: The only one who comes in; empty lets everybody in.
        password: Of the user; empty if only a certificate will do.
        config: A configuration of the engine; if it has users, all is run as its `default`.
    """
    place = f"{folder}?config-file={config}" if config else str(folder)
    kept = chdb.connect(place)  # type: ignore[no-untyped-call]  # chdb is not typed

    def run(url: dict[str, str], body: bytes) -> Any:
        parameters = {name.removeprefix("param_"): value for name, value in url.items() if name.startswith("param_")}
        connection = chdb.connect(place)  # type: ignore[no-untyped-call]  # chdb is not typed
        try:
            if database := url.get("database"):
                connection.query(f"USE `{database}`")
            for name, value in url.items():
                if name not in OF_HTTP and not name.startswith("param_"):
                    if name in forced:
                        raise RuntimeError(f"Code: 452. DB::Exception: Setting {name} should not be changed.")
                    connection.query(f"SET {name} = '{value}'")
            for name, value in forced.items():
                connection.query(f"SET {name} = '{value}'")
            sql = url.get("query", "")
            if body and (insert := INSERT.fullmatch(sql)):
                with tempfile.NamedTemporaryFile() as file:
                    file.write(body)
                    file.flush()
                    connection.query(f"{insert[1]} FROM INFILE '{file.name}' FORMAT {insert[2]}")
                return b""
            sql = sql + body.decode()
            form = FORMAT.search(sql)
            answer = connection.query(FORMAT.sub("", sql), form[1] if form else "TabSeparated", params=parameters)
            return bytes(answer.bytes() or b"")
        finally:
            connection.close()

    async def ask(request: Request) -> Response:
        if user and (refused := refusal(request, user, password)):
            return PlainTextResponse(refused, 403, {"X-ClickHouse-Exception-Code": "516"})
        url = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            return Response(await run_in_threadpool(run, url, await request.body()))
        except RuntimeError as error:
            text = str(error)
            text = text[max(text.find("Code: "), 0) :]
            code = re.match(r"Code: (\d+)", text)
            return PlainTextResponse(text, 500, {"X-ClickHouse-Exception-Code": code[1] if code else "1001"})

    async def ping(_: Request) -> Response:
        assert kept
        return PlainTextResponse("Ok.\n")

    return Starlette(routes=[Route("/ping", ping), Route("/", ask, methods=["GET", "POST"])])


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("forced", nargs="*")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--of-the-file", action="store_true", help="the user is one of deploy/clickhouse/users.xml")
    parser.add_argument("--config", type=Path, help="a configuration of the engine, such as one that names a Keeper")
    parser.add_argument("--certificate", help="speak TLS with this certificate and key")
    parser.add_argument("--authority", help="ask for certificates that this one signed")
    given = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", given.port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = given.config
    if given.of_the_file:
        config = lend(given.folder.with_name(f"{given.folder.name}-config"), given.user)
    forced = dict(pair.split("=", 1) for pair in given.forced)
    app = application(given.folder, forced, given.user, given.password, config)
    print(listener.getsockname()[1], flush=True)
    serving = uvicorn.Config(
        app,
        http=Naming,
        log_config=None,
        access_log=False,
        ssl_certfile=given.certificate,
        ssl_ca_certs=given.authority,
        ssl_cert_reqs=ssl.CERT_REQUIRED if given.authority else ssl.CERT_NONE,
    )
    uvicorn.Server(serving).run([listener])


if __name__ == "__main__":
    main()
