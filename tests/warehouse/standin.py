"""A process that answers as a ClickHouse server does, from chDB: what comes over HTTP is run as sent.

Not a real server: it has one user who may do everything, and no replication. `python -m tests.warehouse.standin FOLDER
PORT [SETTING=VALUE ...]` prints its port, any free one for 0.
"""

import re
import socket
import sys
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


def application(folder: Path, forced: dict[str, str]) -> Starlette:
    """The server; `forced` settings are such that its profile does not let anyone change."""
    kept = chdb.connect(str(folder))  # type: ignore[no-untyped-call]  # chdb is not typed

    def run(url: dict[str, str], body: bytes) -> Any:
        parameters = {name.removeprefix("param_"): value for name, value in url.items() if name.startswith("param_")}
        connection = chdb.connect(str(folder))  # type: ignore[no-untyped-call]  # chdb is not typed
        try:
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


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
    app = application(Path(sys.argv[1]), dict(pair.split("=", 1) for pair in sys.argv[3:]))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])
