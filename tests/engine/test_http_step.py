"""HTTP steps: what is sent, what comes back, where redirects lead, and how requests fail."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from mplp_cli.engine.network import is_public
from mplp_cli.engine.steps.http import MAX_BODY, Connections, run_http
from mplp_cli.errors import (
    HttpConnectionError,
    HttpRequestError,
    HttpStatusError,
    NetworkPolicyError,
    OutputFormatError,
    OutputLimitError,
)
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.masking import Masker

NOW = 1_780_000_000_000  # Thu, 28 May 2026 20:26:40 GMT
SECRET = "swordfish/1"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine of the tests needs to reach the world is not for its own addresses."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


class StoppedClock:
    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Seen:
    """A request as it was on the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.lines = [line for line in lines if line]
        self.headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in self.lines}
        self.body = body


Answer = Callable[[Seen], bytes]


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers on a loopback port with what a test says; keeps what it was asked."""

    def __init__(self, reply: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.reply = reply
        self._tls = tls
        self.seen: list[Seen] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen(head, b"")
                seen.body = await reader.readexactly(int(seen.headers.get("content-length", "0")))
                self.seen.append(seen)
                writer.write(self.reply(seen))
                await writer.drain()
                if b"Connection: close" in self.reply(seen):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def attempt(**body: Any) -> Attempt:
    return Attempt(
        run="r",
        workflow="w",
        step="call",
        number=1,
        timeout=0,
        cwd="/",
        env={},
        body=body,
        idempotency_key="key-1",
        output=lambda step, stream, text: None,
    )


async def send(*, deny_private: bool = False, **body: Any) -> Any:
    connections = Connections(deny_private=deny_private)
    try:
        return await run_http(
            attempt(**body), masker=Masker({"T": SECRET}), connections=connections, clock=StoppedClock()
        )
    finally:
        await connections.aclose()


def ask(reply: Answer | bytes, path: str = "/", **body: Any) -> tuple[Any, list[Seen]]:
    """Send one request to a server that gives `reply`; the result, and what the server saw."""

    async def main() -> tuple[Any, list[Seen]]:
        async with Server(reply if callable(reply) else lambda seen: reply) as server:
            result = await send(url=server.url + path, **body)
            return result, server.seen

    return asyncio.run(main())


def together(work: Callable[[Server, Server], Awaitable[None]], reply: Answer) -> None:
    """Two servers, two origins: the second answers 200."""

    async def main() -> None:
        async with Server(reply) as one, Server(lambda seen: answer()) as two:
            await work(one, two)

    asyncio.run(main())


# ---- what is sent and what comes back


def test_json_comes_back_as_a_value() -> None:
    result, seen = ask(
        answer("200 OK", b'{"a": [1, null]}', "Content-Type: application/json", "X-Two: a", "X-Two: b")
    )
    assert (result["status"], result["body"]) == (200, {"a": [1, None]})
    assert result["headers"]["x-two"] == "a, b"
    assert (seen[0].method, seen[0].headers["user-agent"][:5]) == ("GET", "mplp/")
    assert "idempotency-key" not in seen[0].headers


@pytest.mark.parametrize(
    ("kind", "data", "body"),
    [
        ("text/plain; charset=latin-1", b"\xe9", "\u00e9"),
        ("text/plain; charset=no-such-codec", "é".encode(), "\u00e9"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("application/problem+json", b"1", 1),
        ("application/json", b"", None),
        ("application/json", b"\xef\xbb\xbf{}", {}),
        ("application/octet-stream", b"\x89PNG\0", {"base64": "iVBORwA="}),
        ("application/octet-stream", b"plain", "plain"),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("text/html", b"a\0b", "a\ufffdb"),
    ],
)
def test_a_body_is_read_as_its_type_says(kind: str, data: bytes, body: Any) -> None:
    assert ask(answer("200 OK", data, f"Content-Type: {kind}"))[0]["body"] == body


def test_what_calls_itself_json_and_is_not_is_told_with_its_place() -> None:
    with pytest.raises(
        OutputFormatError, match=r"the answer of GET http://.*/ is not JSON: .* line 1, column 2"
    ):
        ask(answer("200 OK", b"{oops", "Content-Type: application/json"))


def test_json_is_sent_with_its_type_and_the_key_of_the_step() -> None:
    _, seen = ask(answer(), json={"n": 1, "ü": "x"})
    assert (seen[0].method, seen[0].headers["content-type"]) == ("POST", "application/json")
    assert json.loads(seen[0].body) == {"n": 1, "ü": "x"}
    assert seen[0].headers["idempotency-key"] == "key-1"


def test_headers_of_the_author_are_not_replaced() -> None:
    headers = {"content-TYPE": "text/csv", "idempotency-KEY": "mine", "X-N": 3, "X-No": None, "X-B": True}
    _, seen = ask(answer(), method="PUT", body="a;b", headers=headers)
    assert seen[0].headers["content-type"] == "text/csv"
    assert seen[0].headers["idempotency-key"] == "mine"
    assert (seen[0].headers["x-n"], seen[0].headers["x-b"]) == ("3", "true")
    assert "x-no" not in seen[0].headers
    assert seen[0].body == b"a;b"
    assert len([line for line in seen[0].lines if line.lower().startswith("idempotency")]) == 1


def test_values_in_a_query_are_encoded() -> None:
    query = {"q": "a&b=c #d", "tags": ["x", "y"], "none": None, "on": True}
    _, seen = ask(answer(), "/find?first=1#part", query=query)
    assert seen[0].target == "/find?first=1&q=a%26b%3Dc+%23d&tags=x&tags=y&on=true"


def test_a_compressed_body_is_unpacked_within_bounds() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert (
        ask(answer("200 OK", packed, "Content-Encoding: gzip", "Content-Type: text/plain"))[0]["body"]
        == "x" * 1000
    )
    bomb = gzip.compress(b"\0" * (MAX_BODY + 1))
    with pytest.raises(OutputLimitError, match="more than 10 MiB"):
        ask(answer("200 OK", bomb, "Content-Encoding: gzip"))


def test_a_large_body_is_refused() -> None:
    with pytest.raises(OutputLimitError):
        ask(answer("200 OK", b"x" * (MAX_BODY + 1)))


def test_cookies_do_not_go_from_one_step_to_the_next() -> None:
    async def main() -> None:
        connections = Connections()
        async with Server(lambda seen: answer("200 OK", b"", "Set-Cookie: a=b")) as server:
            for _ in range(2):
                await run_http(
                    attempt(url=server.url), masker=Masker({}), connections=connections, clock=StoppedClock()
                )
        await connections.aclose()
        assert [("cookie" in seen.headers) for seen in server.seen] == [False, False]

    asyncio.run(main())


# ---- hostile values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Name", "v\r\nAuthorization: Bearer forged"),
        ("X-Name", "v\nx"),
        ("X-Name", "a\0b"),
        ("X-Name", ["a"]),
        ("X-Name", "\ud800"),
        ("X Name", "v"),
        ("X-Name: a\r\nY", "v"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
        ("", "v"),
    ],
)
def test_a_header_that_could_be_two_is_never_sent(name: str, value: Any) -> None:
    async def main() -> None:
        async with Server(lambda seen: answer()) as server:
            with pytest.raises(HttpRequestError) as caught:
                await send(url=server.url, headers={name: value})
            assert not caught.value.retryable
            assert not server.seen

    asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/\r\nHost: x",
        "http://127.0.0.1/a\tb",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1/x",
        "http://",
        "http:///x",
        "http://user:password@127.0.0.1/",
        "http://good.example\\@127.0.0.1/",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "http://a..b/",
        "http://" + "a" * 70_000,
        "",
    ],
)
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(HttpRequestError) as caught:
        asyncio.run(send(url=url))
    assert "password" not in caught.value.message


def test_a_secret_goes_out_and_does_not_come_back() -> None:
    def reply(seen: Seen) -> bytes:
        return answer(
            "200 OK", seen.headers["authorization"].encode(), f"X-Echo: {seen.headers['authorization']}"
        )

    result, seen = ask(reply, headers={"Authorization": f"Bearer {SECRET}"})
    assert seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(result)
    assert result["body"] == "Bearer ***"


def test_half_a_secret_is_not_left_where_a_body_is_cut() -> None:
    with pytest.raises(HttpStatusError) as caught:
        ask(answer("500 No", b"x" * 3995 + SECRET.encode() + b"y" * 100))
    assert caught.value.details["body"] == "x" * 3995 + "***yy"


# ---- redirects


def go_to(target: str, status: str = "302 Found") -> bytes:
    return answer(status, b"", f"Location: {target}")


def test_a_get_follows_redirects_and_keeps_its_headers_on_the_same_server() -> None:
    result, seen = ask(
        lambda seen: go_to("/there?x=1") if seen.target == "/" else answer("200 OK", b"here"),
        headers={"Authorization": "Bearer x"},
    )
    assert result["body"] == "here"
    assert [one.target for one in seen] == ["/", "/there?x=1"]
    assert seen[1].headers["authorization"] == "Bearer x"


def test_what_is_secret_never_goes_to_another_server() -> None:
    async def work(one: Server, two: Server) -> None:
        one.reply = lambda seen: go_to(two.url + "/")
        headers = {
            "AUTHORIZATION": "Bearer x",
            "Cookie": "a",
            "X-Key": SECRET,
            "X-Plain": "p",
            "Host": "one.example",
        }
        await send(url=one.url, headers=headers)
        assert one.seen[0].headers["x-key"] == SECRET
        assert not {"authorization", "cookie", "x-key"} & two.seen[0].headers.keys()
        assert two.seen[0].headers["x-plain"] == "p"
        assert two.seen[0].headers["host"] == f"127.0.0.1:{two.port}"

    together(work, lambda seen: answer())


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [("303 See Other", "GET", b""), ("302 Found", "GET", b""), ("307 x", "POST", b"data")],
)
def test_a_post_is_redirected_when_asked_for(status: str, method: str, body: bytes) -> None:
    _, seen = ask(
        lambda seen: go_to("/there", status) if seen.target == "/" else answer(),
        method="POST",
        body="data",
        follow=True,
    )
    assert (seen[1].method, seen[1].body) == (method, body)
    assert ("content-type" in seen[1].headers) == bool(body)


def test_a_post_is_not_redirected_by_itself() -> None:
    with pytest.raises(HttpStatusError, match="302 Found, expected 200-299"):
        ask(go_to("/there"), method="POST", body="x")


def test_a_redirect_that_is_expected_is_an_answer() -> None:
    result, _ = ask(go_to("/there", "301 Moved"), expect=[[301, 301]])
    assert (result["status"], result["headers"]["location"]) == (301, "/there")


def test_redirects_end_after_five() -> None:
    seen: list[Seen] = []

    def reply(one: Seen) -> bytes:
        seen.append(one)
        return go_to("/again")

    with pytest.raises(HttpRequestError, match="more than 5 redirects"):
        ask(reply)
    assert len({id(one) for one in seen}) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://a:b@127.0.0.1/", "ftp://x/", "http://[", "data:,x"]
)
def test_a_redirect_leads_to_servers_only(target: str) -> None:
    with pytest.raises(HttpRequestError, match="leads"):
        ask(go_to(target))


# ---- private addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_a_private_address_is_not_called_where_that_is_denied(host: str) -> None:
    async def main() -> None:
        async with Server(lambda seen: answer()) as server:
            with pytest.raises((NetworkPolicyError, HttpRequestError)):
                await send(deny_private=True, url=f"http://{host}:{server.port}/")
            assert not server.seen

    asyncio.run(main())


def test_an_address_is_looked_at_on_every_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public host that leads inside: the second look finds a private address."""
    monkeypatch.setattr("mplp_cli.engine.network.is_public", lambda address: address == "127.0.0.1")

    async def work(one: Server, two: Server) -> None:
        one.reply = lambda seen: go_to(f"http://127.0.0.2:{two.port}/")
        with pytest.raises(
            NetworkPolicyError, match=r"`127\.0\.0\.2` is 127\.0\.0\.2, which is not a public address"
        ):
            await send(deny_private=True, url=one.url)
        assert len(one.seen) == 1
        assert not two.seen

    together(work, lambda seen: answer())


def test_a_name_is_looked_up_once_and_that_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name server changes its mind between two questions; there is only one."""
    monkeypatch.setattr("mplp_cli.engine.network.is_public", lambda address: address == "127.0.0.1")
    asked: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def lookup(host: Any, port: Any, **more: Any) -> Any:
            if host == "changing.test":
                asked.append(host)
                host = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
            return await real(host, port, **more)

        loop.getaddrinfo = lookup  # type: ignore[method-assign]  # the name server of this test
        async with Server(lambda seen: answer("200 OK", b"public")) as server:
            result = await send(deny_private=True, url=f"http://changing.test:{server.port}/")
            assert result["body"] == "public"
            assert server.seen[0].headers["host"] == f"changing.test:{server.port}"
        assert asked == ["changing.test"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        *[
            (address, False)
            for address in (
                "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 100.100.100.200 169.254.169.254 0.0.0.0 "
                "224.0.0.1 240.0.0.1 255.255.255.255 198.18.0.1 192.0.0.192 168.63.129.16 ::1 :: fe80::1 fe80::1%eth0 "
                "fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 "
                "2002:7f00:1:: ::7f00:1"
            ).split()
        ],
    ],
)
def test_addresses_are_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


# ---- encrypted connections


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody has signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split()
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.mark.parametrize("deny_private", [False, True])
@pytest.mark.parametrize(
    ("trusted", "host"), [(True, "localhost"), (False, "localhost"), (True, "127.0.0.1")]
)
def test_a_certificate_must_be_trusted_and_be_for_the_host_of_the_url(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, deny_private: bool, trusted: bool, host: str
) -> None:
    """Also where the address was looked up by us: it is the name that counts."""
    monkeypatch.setattr("mplp_cli.engine.network.is_public", lambda address: True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def main() -> None:
        async with Server(lambda seen: answer("200 OK", b"safe"), context) as server:
            url = f"https://{host}:{server.port}/"
            if trusted and host == "localhost":
                assert (await send(url=url, deny_private=deny_private))["body"] == "safe"
                return
            with pytest.raises(
                HttpConnectionError, match=r"its certificate is not trusted: .*(self.signed|mismatch)"
            ):
                await send(url=url, deny_private=deny_private)
            assert not server.seen

    asyncio.run(main())


# ---- failures


@pytest.mark.parametrize(
    ("status", "again"),
    [(404, False), (400, False), (408, True), (425, True), (429, True), (500, True), (503, True)],
)
def test_an_unexpected_status_fails_and_may_be_retried_where_that_helps(status: int, again: bool) -> None:
    with pytest.raises(HttpStatusError) as caught:
        ask(answer(f"{status} Whatever", b"why " * 5000, "X-Id: 7"), "/p?token=hidden")
    failure = caught.value.failure()
    assert failure.retryable is again
    assert failure.details is not None
    assert (failure.details["status"], failure.details["headers"]["x-id"]) == (status, "7")
    assert len(failure.details["body"]) == 4000
    assert f"/p was answered with {status} " in failure.message
    assert "hidden" not in repr(failure)


@pytest.mark.parametrize(
    ("said", "milliseconds"),
    [
        ("3", 3000),
        (" 0 ", 0),
        ("Thu, 28 May 2026 20:27:40 GMT", 60_000),
        ("Thu, 28 May 2026 20:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 999_999_999_999_000),
        ("\u0663", None),
        ("Thu, 99 May 99999 99:99:99 GMT", None),
    ],
)
def test_a_server_may_say_when_to_come_again(said: str, milliseconds: int | None) -> None:
    with pytest.raises(HttpStatusError) as caught:
        ask(answer("429 Too Many Requests", b"", f"Retry-After: {said}"))
    assert caught.value.details.get("retryAfter") == milliseconds


def test_only_the_statuses_that_are_stated_are_expected() -> None:
    assert ask(answer("404 Not Found"), expect=[[200, 299], [404, 404]])[0]["status"] == 404
    with pytest.raises(HttpStatusError, match="200 OK, expected 201, 400-499"):
        ask(answer(), expect=[[201, 201], [400, 499]])


def test_a_server_that_is_not_there_is_told_plainly() -> None:
    async def main() -> int:
        async with Server(lambda seen: answer()) as server:
            return int(server.port)

    port = asyncio.run(main())
    with pytest.raises(
        HttpConnectionError, match=rf"^cannot connect to 127.0.0.1:{port}: .*refused"
    ) as caught:
        asyncio.run(send(url=f"http://127.0.0.1:{port}/"))
    assert caught.value.retryable


def test_a_name_that_is_not_known_is_told_plainly() -> None:
    for deny_private in (False, True):
        with pytest.raises(HttpConnectionError, match=r"^cannot connect to no-such-host\.invalid: "):
            asyncio.run(send(deny_private=deny_private, url="http://no-such-host.invalid/"))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf",
        b"Connection: close\r\n\r\n",
        b"\x16\x03\x01Connection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nConnection: close\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_may_be_retried(raw: bytes) -> None:
    with pytest.raises(HttpConnectionError) as caught:
        ask(raw)
    assert caught.value.retryable


def test_a_cancelled_request_closes_its_connection() -> None:
    async def main() -> None:
        came, gone = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            came.set()
            assert await reader.read() == b""
            gone.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        connections = Connections()
        call = attempt(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with asyncio.TaskGroup() as tasks:
            step = tasks.create_task(
                run_http(call, masker=Masker({}), connections=connections, clock=StoppedClock())
            )
            await came.wait()
            step.cancel()
        async with asyncio.timeout(5):
            await gone.wait()
        server.close()
        await connections.aclose()

    asyncio.run(main())
