"""A headless Chromium, spoken to through a pipe: pages as people see them, and what they ask for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What Chromium is called where it is installed.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def browser_path() -> str | None:
    """The browser that is there."""
    return os.environ.get("MPLP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def axe_path() -> Path | None:
    """`axe.min.js` of the package axe-core, if `MPLP_AXE` names it."""
    named = os.environ.get("MPLP_AXE")
    return Path(named) if named and Path(named).is_file() else None


@dataclass
class Page:
    """One page that is open."""

    talk: Talk
    session: str
    #: Addresses that it asked for, its own aside, and what it said on the console or threw.
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def say(self, method: str, **parameters: Any) -> Any:
        return self.talk.say(method, parameters, self)

    def show(self, file: Path, width: int = 1280, *, scheme: str = "light", media: str = "screen") -> None:
        """Open a file in a window of that width, and wait until it is there."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.say(f"{domain}.enable")
        self.say(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.say("Emulation.setEmulatedMedia", media=media, features=features)
        self.talk.loaded = False
        self.say("Page.navigate", url=file.absolute().as_uri())
        while not self.talk.loaded:
            self.talk.hear(self)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        told = self.say("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def picture(self, file: Path, clip: dict[str, float] | None = None) -> None:
        """Write all of the page as a PNG."""
        told = self.say(
            "Page.captureScreenshot", captureBeyondViewport=True, **({"clip": clip} if clip else {})
        )
        file.write_bytes(base64.b64decode(told["data"]))


class Talk:
    """Messages of the DevTools protocol, each ended by a zero byte."""

    def __init__(self, out: int, into: int) -> None:
        self.out, self.into = out, into
        self.count = 0
        self.rest = b""
        self.answers: dict[int, Any] = {}
        self.loaded = False

    def say(self, method: str, parameters: Mapping[str, Any], page: Page | None = None) -> Any:
        self.count += 1
        number = self.count
        message: dict[str, Any] = {"id": number, "method": method, "params": dict(parameters)}
        if page is not None:
            message["sessionId"] = page.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data) :]
        while number not in self.answers:
            self.hear(page)
        told = self.answers.pop(number)
        assert "error" not in told, told
        return told["result"]

    def hear(self, page: Page | None) -> None:
        """The next message."""
        while b"\0" not in self.rest:
            more = os.read(self.into, 1 << 20)
            assert more, "the browser has ended"
            self.rest += more
        data, _, self.rest = self.rest.partition(b"\0")
        told = json.loads(data)
        if "id" in told:
            self.answers[told["id"]] = told
        elif page is not None:
            self._note(told["method"], told["params"], page)

    def _note(self, method: str, said: Any, page: Page) -> None:
        match method:
            case "Network.requestWillBeSent" if not said["request"]["url"].startswith(("file:", "data:")):
                page.requests.append(said["request"]["url"])
            case "Network.requestWillBeSent" if said["type"] not in ("Document", "Other"):
                page.requests.append(said["request"]["url"])
            case "Log.entryAdded":
                page.complaints.append(said["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Page.javascriptDialogOpening":
                page.complaints.append(json.dumps(said))
            case "Page.loadEventFired":
                self.loaded = True


#: A browser reads from 3 and writes to 4, whatever these were before.
_BECOME = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


@contextmanager
def browser(home: Path) -> Iterator[Talk]:
    """A browser as long as it is needed."""
    path = browser_path()
    assert path is not None
    hears, out = os.pipe()
    into, says = os.pipe()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
    flags += [f"--user-data-dir={home}", "--disable-dev-shm-usage", "--hide-scrollbars"]
    process = subprocess.Popen(
        [sys.executable, "-c", _BECOME, str(hears), str(says), path, *flags, "about:blank"],
        pass_fds=(hears, says),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(hears)
    os.close(says)
    try:
        yield Talk(out, into)
    finally:
        process.kill()
        process.wait()
        os.close(out)
        os.close(into)


def open_page(talk: Talk) -> Page:
    """A new page."""
    target = talk.say("Target.createTarget", {"url": "about:blank"})["targetId"]
    session = talk.say("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
    return Page(talk, session)
