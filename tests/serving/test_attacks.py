"""What pages in a browser, and those who have no token, try on a server of this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Mplp
from tests.serving.inside import ASKS, GREETS
from tests.serving.outside import Outside, Reply

START = b'{"workflow": "greets"}'
RUN = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    directory = tmp_path_factory.mktemp("served")
    (directory / "greets.yaml").write_text(GREETS)
    (directory / "asks.yaml").write_text(ASKS)
    made = Outside(directory)
    made.begin("--allow-host", "mplp.example")
    yield made
    assert made.end() == 0
    assert (directory / "server.log").read_text().count("\n") == 1, "it says nothing but where it is"


class Attack(NamedTuple):
    """A request, and the status that it must get. In headers, `PORT` and `TOKEN` stand for those of the server; None
    leaves one out that is sent otherwise."""

    status: int
    method: str = "POST"
    target: str = "/api/v1/runs"
    headers: tuple[tuple[str, str | None], ...] = ()
    body: bytes = START


def with_(status: int, *headers: tuple[str, str | None], **more: Any) -> Attack:
    return Attack(status, headers=headers, **more)


def reads(status: int, target: str, *headers: tuple[str, str | None]) -> Attack:
    return Attack(status, "GET", target, headers, b"")


HOSTS = [
    with_(403, ("host", host))
    for host in (
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1:1",
        "127.0.0.1",
        "localhost.evil.example:PORT",
        "",
        "127.0.0.1:PORT@evil",
        "127.0.0.1:PORT.evil.example",
        "2130706433:PORT",
        "127.1:PORT",
        "0.0.0.0:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "localhost:PORT:1",
        "mplp.example.evil:PORT",
    )
]
ORIGINS = [
    with_(403, ("origin", origin))
    for origin in (
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:PORT",
        "http://localhost:PORT",
        "file://",
        "http://127.0.0.1:PORT.evil.example",
        "chrome-extension://abc",
        "",
    )
]
SITES = [with_(403, ("sec-fetch-site", site)) for site in ("cross-site", "same-site", "other")]
TOKENS = [
    with_(401, ("authorization", said))
    for said in (
        None,
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic TOKEN",
        "TOKEN",
        "Bearer TOKENx",
        "Bearer  TOKEN",
        "bearer,TOKEN",
    )
]
OUTSIDERS = [
    reads(401, target, ("authorization", None))
    for target in (
        "/api/v1/runs",
        "/api/v1/openapi.json",
        "/api/v1/health",
        "/api/v1/events/stream",
        "/",
        "/nothing",
        f"/api/v1/runs/{RUN}/stream",
        "/hooks",
        "/hooks/a/b",
    )
]
FORMS = [
    with_(415, ("content-type", kind))
    for kind in (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain;charset=UTF-8",
        None,
        "application/json; charset=utf-16",
        "application/jsonp",
        "application/xml",
    )
]
PATHS = [
    reads(400, f"/api/v1/{place}")
    for place in (
        "runs/..%2f..%2fetc%2fpasswd",
        "runs/%2e%2e/%2e%2e/health",
        "runs/%252e%252e%252f",
        "runs/%00",
        f"runs/{RUN}%00",
        f"runs/{RUN}%0a",
        f"runs/{RUN.upper()}",
        f"runs/{RUN[:8]}",
        "runs/greets",
        "runs/%c0%ae%c0%ae%c0%af",
        "runs/..;/health",
        "runs//history",
        f"runs/{RUN}/../{RUN}",
        "runs/" + "a" * 900,
        "runs/" + "a" * 2_000,
        "runs/1%27%20OR%201=1",
        "runs/%5c..%5cx",
        "workflows/..%2f",
        "workflows/a.b",
        "workflows/" + "a" * 201,
        "runs/\xff",
        "./runs",
        "runs/.",
        "runs/%u002e",
    )
]
QUERIES = [
    reads(400, f"/api/v1/runs?{query}")
    for query in (
        "status=nonsense",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=1e3",
        "limit=1&limit=2",
        "other=1",
        "status",
        "workflow=%00",
        "workflow=' OR 1=1",
        "cursor=x",
        "cursor=1.2;DROP",
        "token=TOKEN",
        "limit=%ff",
        "&".join(f"a{n}=1" for n in range(30)),
        "limit=" + "1" * 5_000,
    )
]
BODIES = [
    with_(400, body=b"{"),
    with_(400, body=b"\xff\xfe"),
    with_(422, body=b"[" * 5_000 + b"]" * 5_000),
    with_(422, body=b"[]"),
    with_(422, body=b"{}"),
    with_(422, body=b'{"workflow": "greets", "definition": {"steps": []}}'),
    with_(422, body=b'{"workflow": {"id": "x"}}'),
    with_(422, body=b'{"workflow": "../../etc/passwd"}'),
    with_(404, body=b'{"workflow": "unknown"}'),
    with_(422, body=b'{"workflow": "greets", "inputs": {"other": 1}}'),
    with_(413, body=b" " * (1 << 20) + START),
    with_(415, ("content-encoding", "gzip")),
]
METHODS = [
    Attack(status, method, target, (), b"")
    for status, method, target in (
        (405, "PUT", "/api/v1/runs"),
        (405, "DELETE", f"/api/v1/runs/{RUN}"),
        (405, "GET", f"/api/v1/runs/{RUN}/cancel"),
        (405, "HEAD", "/api/v1/runs"),
        (405, "OPTIONS", "/api/v1/runs"),
        (405, "TRACE", "/api/v1/runs"),
        (404, "GET", "/api/v2/runs"),
        (400, "GET", "/api/v1/runs/"),
        (400, "GET", "/health/"),
        (404, "GET", f"/api/v1/runs/{RUN}"),
        (404, "GET", "/"),
        (404, "GET", "/.git/config"),
        (405, "PATCH", "/api/v1/approvals"),
    )
]
TABLE = [*HOSTS, *ORIGINS, *SITES, *TOKENS, *OUTSIDERS, *FORMS, *PATHS, *QUERIES, *BODIES, *METHODS]
#: Requests that no library would send, after their first line.
SMUGGLED = {
    "two ends": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 9\r\n\r\n",
    "two hosts": b"Host: evil.example\r\nContent-Length: 0\r\n\r\n",
    "two tokens": b"Authorization: Bearer other\r\nContent-Length: 0\r\n\r\n",
    "two types": b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
    "two origins": b"Origin: http://a\r\nOrigin: http://b\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"X: y\r\n Host: evil\r\nContent-Length: 0\r\n\r\n",
    "an odd coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length with a sign": b"Content-Length: +5\r\n\r\nhello",
    "a null byte": b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a lone line feed": b"Content-Length: 0\n\nGET / HTTP/1.1\r\n\r\n",
}


def asked(server: Outside, attack: Attack) -> Reply:
    values = {"PORT": str(server.port), "TOKEN": server.token}

    def filled(text: str) -> str:
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    sent: dict[str, str | None] = {"host": "127.0.0.1:PORT", "authorization": "Bearer TOKEN"}
    if attack.body:
        sent |= {"content-type": "application/json", "content-length": str(len(attack.body))}
    sent |= dict(attack.headers)
    head = "".join(f"{name}: {filled(value)}\r\n" for name, value in sent.items() if value is not None)
    first = f"{attack.method} {filled(attack.target)} HTTP/1.1\r\n"
    return server.write(f"{first}{head}\r\n".encode("latin-1") + attack.body)


def test_every_attack_is_refused_with_its_status_and_changes_nothing(server: Outside) -> None:
    before = server.ask("GET", "/api/v1/runs").document
    wrong = {}
    for attack in TABLE:
        reply = asked(server, attack)
        if reply.status != attack.status:
            wrong[str(attack)[:200]] = (reply.status, reply.body[:200])
        elif attack.method != "HEAD" and reply.body != b"Invalid HTTP request received.":
            assert reply.document["error"]["type"].endswith("Error")
            assert server.token.encode() not in reply.body
        assert "access-control-allow-origin" not in reply.headers
    assert len(TABLE) >= 100
    assert not wrong
    assert server.ask("GET", "/api/v1/runs").document == before


def test_what_is_smuggled_into_headers_reaches_nothing(server: Outside) -> None:
    head = f"POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
    typed = "Content-Type: application/json\r\n"
    for name, rest in SMUGGLED.items():
        reply = server.write((head + typed).encode() + rest)
        assert reply.status in (400, 501), name
        assert b"HTTP/1.1" not in reply.body, name
    for target in (f"http://127.0.0.1:{server.port}/api/v1/runs", "*", "runs", "http://evil.example/health"):
        assert (
            server.write(
                head.replace("/api/v1/runs", target, 1).encode() + b"Content-Length: 0\r\n\r\n"
            ).status
            == 400
        )
    assert server.ask("GET", "/api/v1/runs").document["runs"] == []


def test_headers_that_a_proxy_would_set_are_believed_by_nobody(server: Outside) -> None:
    lies = {
        "x_forwarded_for": "127.0.0.1",
        "x_forwarded_host": "evil.example",
        "x_remote_user": "root",
        "forwarded": "host=evil",
    }
    assert server.ask("GET", "/api/v1/runs", **lies).status == 200
    assert (
        server.ask(
            "GET", "/api/v1/runs", host="evil.example", x_forwarded_host=f"127.0.0.1:{server.port}"
        ).status
        == 403
    )
    assert server.ask("GET", "/api/v1/runs", authorization="", x_remote_user="root").status == 401


def test_those_who_may_ask_are_answered_and_nothing_of_it_is_a_page(server: Outside) -> None:
    for host in (
        f"127.0.0.1:{server.port}",
        f"localhost:{server.port}",
        f"LOCALHOST:{server.port}",
        "mplp.example",
        "mplp.example:443",
    ):
        reply = server.ask(
            "GET",
            "/api/v1/workflows",
            host=host,
            origin=f"http://{host}".lower(),
            sec_fetch_site="same-origin",
        )
        assert reply.status == 200, host
    reply = server.ask("GET", "/api/v1/workflows")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
    assert "server" not in reply.headers
    assert (
        server.ask("GET", "/api/v1/workflows", origin="https://mplp.example", host="mplp.example").status
        == 200
    )
    health = server.ask("GET", "/health", authorization="")
    assert (health.status, health.document) == (200, {"status": "ok"})


def test_the_token_is_for_its_user_only(server: Outside) -> None:
    file = Path(server.told["tokenFile"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(server.token) == 64


def test_a_server_that_others_could_use_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    mplp = Mplp(tmp_path)
    beyond = mplp("serve", "--host", "0.0.0.0", "--port", "0")
    assert (beyond.code, "no token was chosen" in beyond.err) == (2, True)
    short = mplp("serve", "--port", "0", env={"MPLP_SERVE_TOKEN": "short"})
    assert (short.code, "no usable token" in short.err) == (2, True)
    file = tmp_path / "state" / "serve.token"
    file.write_text("x" * 64)
    file.chmod(0o644)
    seen = mplp("serve", "--port", "0")
    assert (seen.code, "others can read" in seen.err) == (2, True)
    nowhere = mplp("serve", "--host", "no.such.host.invalid")
    assert (nowhere.code, "no address of this machine" in nowhere.err) == (2, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no workflow" in mplp("serve", "--workflows", empty).err


def test_a_state_has_one_server(server: Outside) -> None:
    other = Mplp(server.directory)("serve", "--port", "0", "--output", "json")
    assert other.code == 75
    assert f"process {server.told['pid']} on {server.told['url']}" in other.err
