"""http and python steps through the command: what they reach, what they leave, how they end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service import Asked, Reply, serving

SECRET = "s3cr3t value/with+signs"
SHARED = Path(os.environ.get("MPLP_SHARED") or Path(__file__).parents[2] / "shared")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    folder = tmp_path / "flow"
    folder.mkdir()

    def write_workflow(steps: str, more: str = "", **modules: str) -> Path:
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        file = folder / "w.yaml"
        file.write_text(f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n{more}  steps:\n{steps}")
        return file

    return write_workflow


def hostile(name: str) -> Path:
    file = SHARED / "badinputs" / name
    if not file.is_file():
        pytest.skip("the sample of bad inputs is not here")
    return file


def everything_under(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


# ---- requests


def test_a_request_is_tried_again_when_the_server_says(mplp: Any, write: Write) -> None:
    def reply(asked: Asked, before: int) -> Reply:
        return Reply(429, b"busy", {"Retry-After": "1"}) if not before else Reply(201, b"made")

    file = write(
        "    - {id: a, type: http, method: POST, url: '${inputs.base}/x', json: [1], "
        "retry-policy: {max-retries: 1, initial-delay: 10ms, max-delay: 20ms}}\n",
        "  inputs: {base: {type: string}}\n  outputs: {body: '${a.result.body}', status: '${a.result.status}'}\n",
    )
    with serving(reply) as service:
        ended = mplp("run", file, "-i", f"base={service.base}", "-o", "json")
    assert ended.document["outputs"] == {"body": "made", "status": 201}
    assert ended.document["steps"]["a"]["attempts"] == 2
    assert ended.document["steps"]["a"]["duration"] >= 1000
    keys = {asked.headers["idempotency-key"] for asked in service.asked}
    assert len(keys) == 1
    assert "waits longer if the server asks for it" in mplp("plan", file).out


def test_a_status_that_will_not_change_is_not_tried_again(mplp: Any, write: Write) -> None:
    file = write(
        "    - {id: a, type: http, url: '${inputs.base}/x?key=hidden', retry-policy: {max-retries: 3}}\n",
        "  inputs: {base: {type: string}}\n",
    )
    with serving(lambda asked, before: Reply(404, b'{"why": "gone"}')) as service:
        ended = mplp("run", file, "-i", f"base={service.base}", "-o", "json")
    assert (ended.code, len(service.asked)) == (1, 1)
    error = ended.document["steps"]["a"]["error"]
    assert error["type"] == "HttpStatusError"
    assert (error["details"]["status"], error["details"]["body"]) == (404, '{"why": "gone"}')
    assert "hidden" not in error["message"]


def test_a_secret_goes_into_a_header_and_into_no_sink(mplp: Any, write: Write, tmp_path: Path) -> None:
    def reply(asked: Asked, before: int) -> Reply:
        echo = asked.headers["authorization"].encode()
        return Reply(200 if asked.path == "/ok" else 403, echo, {"X-Echo": echo.decode()})

    steps = (
        "    - {id: a, type: http, url: '${inputs.base}/ok', headers: {Authorization: 'Bearer ${secrets.KEY}'}}\n"
        "    - {id: b, type: http, url: '${inputs.base}/no', headers: {Authorization: 'Bearer ${secrets.KEY}'}}\n"
    )
    file = write(steps, "  secrets: [KEY]\n  inputs: {base: {type: string}}\n")
    with serving(reply) as service:
        ended = mplp("run", file, "-i", f"base={service.base}", "-o", "jsonl", env={"KEY": SECRET})
    assert {asked.headers["authorization"] for asked in service.asked} == {f"Bearer {SECRET}"}
    shown = (ended.out + ended.err).encode() + everything_under(tmp_path)
    assert SECRET.encode() not in shown
    assert "Bearer ***" in ended.out


@pytest.mark.parametrize("value", ["v\r\nAuthorization: Bearer forged", "v\nX: y", "a\x00b"])
def test_a_value_never_becomes_a_second_header(mplp: Any, write: Write, value: str) -> None:
    file = write(
        "    - {id: a, type: http, url: '${inputs.base}/x', headers: {X-Name: '${inputs.value}'}, "
        "retry-policy: {max-retries: 3}}\n",
        "  inputs: {base: {type: string}, value: {type: string}}\n",
    )
    with serving(lambda asked, before: Reply()) as service:
        inputs = file.parent / "inputs.json"
        inputs.write_text(json.dumps({"base": service.base, "value": value}))
        ended = mplp("run", file, "--inputs", inputs, "-o", "json")
        assert not service.asked
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.err
    if ended.code == 1:
        assert ended.document["steps"]["a"]["attempts"] == 1
        assert ended.document["steps"]["a"]["error"]["type"] == "HttpRequestError"


def test_a_project_may_deny_private_addresses(mplp: Any, write: Write, tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text("policy: {network: {deny-private: true}}\n")
    file = write(
        "    - {id: a, type: http, url: '${inputs.base}/x', retry-policy: {max-retries: 3}}\n",
        "  inputs: {base: {type: string}}\n",
    )
    with serving(lambda asked, before: Reply()) as service:
        ended = mplp("run", file, "-i", f"base={service.base}", "-o", "json")
        assert not service.asked
        (tmp_path / "mplp.yaml").unlink()
        assert mplp("run", file, "-i", f"base={service.base}", "-o", "quiet").code == 0
    assert ended.code == 1
    assert ended.document["steps"]["a"]["error"]["type"] == "NetworkPolicyError"
    assert ended.document["steps"]["a"]["attempts"] == 1


def test_a_policy_that_is_misspelt_stops_the_run_before_it_is_stored(
    mplp: Any, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "mplp.yaml").write_text("policy: {network: {deny-privates: true}}\n")
    file = write("    - {id: a, type: http, url: 'http://127.0.0.1:9/'}\n")
    ended = mplp("run", file)
    assert (ended.code, "deny-privates" in ended.err) == (2, True)
    (tmp_path / "mplp.yaml").unlink()
    assert mplp("runs", "-o", "json").document in ([], {"runs": []})


def test_a_request_that_takes_too_long_is_given_up(mplp: Any, write: Write) -> None:
    stop = threading.Event()

    def reply(asked: Asked, before: int) -> Reply:
        stop.wait(20)
        return Reply()

    file = write(
        "    - {id: a, type: http, url: '${inputs.base}/x', timeout: 200ms}\n",
        "  inputs: {base: {type: string}}\n",
    )
    with serving(reply) as service:
        ended = mplp("run", file, "-i", f"base={service.base}", "-o", "json")
        stop.set()
    assert ended.document["steps"]["a"]["error"]["type"] == "StepTimeoutError"


@pytest.mark.parametrize(
    ("name", "code"),
    [("66-include-absolute-url.yaml", 1), ("72-ssrf-redirect.yaml", 0), ("74-header-crlf.yaml", 1)],
)
def test_a_hostile_request_is_answered_by_validate(mplp: Any, name: str, code: int) -> None:
    ended = mplp("validate", hostile(name), "-o", "json")
    assert ended.code == code
    assert "Traceback" not in ended.err


def test_a_redirect_to_a_private_address_is_not_followed_where_that_is_denied(
    mplp: Any, tmp_path: Path
) -> None:
    (tmp_path / "mplp.yaml").write_text("policy: {network: {deny-private: true}}\n")
    ended = mplp("run", hostile("72-ssrf-redirect.yaml"), "-o", "json")
    assert ended.code == 1
    assert ended.document["steps"]["a"]["error"]["type"] in ("HttpConnectionError", "NetworkPolicyError")


# ---- calls


def test_a_function_is_called_and_what_it_prints_is_in_the_log(mplp: Any, write: Write) -> None:
    source = "def run(n):\n    print('at work')\n    return {'n': n + 1}\n"
    for isolation in ("process", "thread"):
        file = write(
            f"    - {{id: a, type: python, call: 'work_one:run', arguments: {{n: 1}}, isolation: {isolation}}}\n",
            "  outputs: {n: '${a.result.n}'}\n",
            work_one=source,
        )
        ended = mplp("run", file, "-o", "json")
        assert ended.document["outputs"] == {"n": 2}
        assert "at work" in mplp("logs", ended.document["runId"]).out


def test_an_exception_fails_the_step_under_its_name_and_can_be_retried_by_it(mplp: Any, write: Write) -> None:
    source = "class Busy(Exception): pass\ndef run(): raise Busy('come again')\n"
    file = write(
        "    - {id: a, type: python, call: 'work:run', isolation: thread,\n"
        "       retry-policy: {max-retries: 2, initial-delay: 10ms, retry-on: [Busy]},\n"
        "       fallback-actions: [{condition: Busy, action: use-value, value: none}]}\n"
        "    - {id: b, type: python, call: 'work:run'}\n",
        work=source,
    )
    ended = mplp("run", file, "-o", "json")
    assert ended.code == 1
    assert ended.document["steps"]["a"]["attempts"] == 3
    assert ended.document["result"]["a"] == "none"
    error = ended.document["steps"]["b"]["error"]
    assert (error["type"], error["message"]) == ("Busy", "come again")
    assert (Path(error["details"]["file"]).name, error["details"]["line"]) == ("work.py", 2)


def test_a_timeout_really_ends_a_function(mplp: Any, write: Write, tmp_path: Path) -> None:
    source = (
        "import os, pathlib, signal, threading\n"
        "def run(note):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    pathlib.Path(note).write_text(str(os.getpid()))\n"
        "    while True: threading.Event().wait()\n"
    )
    note = tmp_path / "pid"
    file = write(
        f"    - {{id: a, type: python, call: 'work:run', arguments: {{note: {note}}}, timeout: 1s}}\n",
        "  grace: 100ms\n",
        work=source,
    )
    ended = mplp("run", file, "-o", "json")
    assert ended.document["steps"]["a"]["error"]["type"] == "StepTimeoutError"
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="processes are found in /proc")
def test_a_function_does_not_outlive_the_death_of_its_driver(mplp: Any, write: Write, tmp_path: Path) -> None:
    source = (
        "import os, signal, subprocess, threading\n"
        "def run(pipe):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    other = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "    with open(pipe, 'w') as file: file.write(f'{os.getpid()} {other.pid}')\n"
        "    while True: threading.Event().wait()\n"
    )
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = write(
        f"    - {{id: a, type: python, call: 'work:run', arguments: {{pipe: {pipe}}}}}\n", work=source
    )
    command = [sys.executable, "-m", "mplp_cli", "run", str(file), "--output", "quiet"]
    with subprocess.Popen(command, env=mplp.env, cwd=tmp_path, stderr=subprocess.DEVNULL) as driver:
        handles = [os.pidfd_open(int(pid)) for pid in pipe.read_text().split()]
        driver.kill()
    assert len(handles) == 2
    for handle in handles:
        assert select.select([handle], [], [], 10)[0], "it is still there"
        os.close(handle)


def test_a_thread_that_does_not_end_does_not_keep_the_command(mplp: Any, write: Write) -> None:
    source = "import threading\ndef run(): print('up'); threading.Event().wait()\n"
    file = write(
        "    - {id: a, type: python, call: 'work:run', isolation: thread, timeout: 200ms}\n", work=source
    )
    ended = mplp("run", file, "-o", "json")
    assert ended.document["steps"]["a"]["error"]["type"] == "StepTimeoutError"


def test_a_secret_reaches_a_function_in_its_environment(mplp: Any, write: Write, tmp_path: Path) -> None:
    source = "import os\ndef run():\n    print(os.environ['T'])\n    return [os.environ['T'], 'KEY' in os.environ]\n"
    file = write(
        "    - {id: a, type: python, call: 'work:run', env: {T: '${secrets.KEY}'}}\n",
        "  secrets: [KEY]\n",
        work=source,
    )
    ended = mplp("run", file, "-o", "json", env={"KEY": SECRET})
    assert ended.document["result"]["a"] == ["***", False]
    assert SECRET.encode() not in everything_under(tmp_path)


def test_a_resume_finds_the_module_again(mplp: Any, write: Write, tmp_path: Path) -> None:
    source = "import os\ndef run(mark): return open(mark).read()\n"
    mark = tmp_path / "mark"
    file = write(
        f"    - {{id: a, type: python, call: 'work:run', arguments: {{mark: {mark}}}}}\n", work=source
    )
    assert mplp("run", file, "-o", "quiet").code == 1
    mark.write_text("there")
    (tmp_path / "elsewhere").mkdir()
    ended = mplp("resume", "w", "-o", "json", cwd=tmp_path / "elsewhere")
    assert ended.document["result"]["a"] == "there"


def test_validate_and_plan_import_nothing(mplp: Any, tmp_path: Path) -> None:
    source = hostile("78-python-validate-exec.yaml").read_bytes()
    (tmp_path / "flow.yaml").write_bytes(source)
    canary = tmp_path / "canary"
    (tmp_path / "canary_module.py").write_text(
        f"open({str(canary)!r}, 'w')\ndef run(x=open({str(canary)!r}, 'w')): return 1\n"
    )
    assert mplp("validate", "flow.yaml").code == 0
    assert mplp("plan", "flow.yaml").code == 0
    assert not canary.exists()
    assert mplp("run", "flow.yaml", "-o", "quiet").code == 0
    assert canary.exists(), "the canary sings when it is called"


def test_a_result_that_is_an_object_is_refused_and_never_stored(mplp: Any, tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_bytes(hostile("80-python-pickle-result.yaml").read_bytes())
    canary = tmp_path / "canary"
    (tmp_path / "returns_object.py").write_text(
        f"class Trap:\n    def __reduce__(self): return (open, ({str(canary)!r}, 'w'))\ndef run(): return Trap()\n"
    )
    ended = mplp("run", "flow.yaml", "-o", "json")
    assert ended.code == 1
    error = ended.document["steps"]["a"]["error"]
    assert (error["type"], error["message"]) == (
        "PythonCallError",
        "the result is a returns_object.Trap, not JSON",
    )
    assert mplp("status", "demo").code in (0, 1)
    assert not canary.exists()
