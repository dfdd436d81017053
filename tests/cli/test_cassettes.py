"""Runs that are recorded and replayed, as a user does: with all kinds of agents, then without a network or programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Ended, Mplp

Command = Callable[..., Ended]
KEY = "tok-3c9f1e77aa-of-the-model"

WORKFLOW = """\
workflow:
  id: kinds
  name: Kinds
  version: 1.0.0
  outputs: {context: "${ctx.result.contextId}", judged: "${judge.result}", told: "${tell.result}"}
  steps:
    - id: ctx
      type: module-operation
      module: context
      operation: create-context
      parameters: {title: T, root: {domain: d, environment: e}}
    - {id: score, type: agent, agent: scorer, input: {of: "${ctx.result.contextId}"}}
    - {id: tell, type: agent, agent: teller, input: {run: "${run.id}", at: "${ctx.result.contextId}"}}
    - {id: look, type: agent, agent: crm, input: {name: Ada}, retry-policy: {max-retries: 1, initial-delay: 10ms}}
    - {id: judge, type: agent, agent: judge, prompt: "Judge ${ctx.result.contextId}"}
    - id: slow
      type: agent
      agent: sleeper
      input: 1
      fallback-actions: [{condition: error, action: use-value, value: gone}]
agents:
  - {id: scorer, kind: python, entrypoint: "scorer:score"}
  - {id: teller, kind: command, command: [cat]}
  - {id: crm, kind: http, endpoint: "${env.SERVER}/leads"}
  - {id: judge, kind: openai, endpoint: "${env.SERVER}/v1", model: small, bearer-env: MODEL_KEY}
  - {id: sleeper, kind: command, command: [sleep, "60"], timeout: 300ms}
"""

#: Runs mplp where no connection is made and no process is started.
ALONE = """\
import sys
def forbid(event, arguments):
    if event in ("socket.connect", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"):
        raise SystemError(f"not here: {event} {arguments!r}")
sys.addaudithook(forbid)
from mplp_cli.cli.main import run
run()
"""


class Answers(BaseHTTPRequestHandler):
    """Fails the first look, then finds; as a model it repeats what it was asked, and with which key."""

    looked = 0

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, said = 200, {"lead": asked, "id": 7}
        if self.path.endswith("/chat/completions"):
            text = f"{asked['messages'][-1]['content']} {self.headers['authorization']}"
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            said = {
                "model": "small",
                "choices": [choice],
                "usage": {"prompt_tokens": 11, "completion_tokens": 5},
            }
        else:
            type(self).looked += 1
            status = 503 if self.looked == 1 else 200
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="server")
def serving() -> Iterator[str]:
    Answers.looked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def alone(mplp: Mplp, *args: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *args], cwd=mplp.directory, env=mplp.env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def timeless(text: str) -> str:
    """Output without ids of runs, and times."""
    run = json.loads(text)["runId"]
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text.replace(run, "RUN"))
    return re.sub(r'"(duration|time)": \d+', r'"\1": 0', text)


def test_every_kind_is_recorded_and_replayed_where_nothing_can_be_asked(mplp: Mplp, server: str) -> None:
    (mplp.directory / "w.yaml").write_text(WORKFLOW)
    (mplp.directory / "scorer.py").write_text("def score(of):\n    return {'score': 7, 'of': of}\n")
    environ = {"SERVER": server, "MODEL_KEY": KEY}
    seeded = ("--seed", "1", "--output", "json")
    live = mplp("run", "w.yaml", "--record", "c.jsonl", *seeded, env=environ)
    assert live.code == 0, live.err
    assert live.document["steps"]["look"]["attempts"] == 2
    written = (mplp.directory / "c.jsonl").read_text()
    assert not [one for one in (KEY, b64encode(KEY.encode()).decode()[:-3]) if one in written]
    assert not (mplp.directory / "c.jsonl.partial").exists()

    again = alone(mplp, "run", "w.yaml", "--replay", "c.jsonl", "--strict", "--ephemeral", *seeded)
    assert (again.code, timeless(again.out)) == (0, timeless(live.out)), again.err

    (mplp.directory / "w.yaml").write_text(WORKFLOW.replace("Judge ", "Judge well "))
    changed = alone(mplp, "run", "w.yaml", "--replay", "c.jsonl", "--ephemeral", "--output", "json")
    error = changed.document["steps"]["judge"]["error"]
    assert (changed.code, error["details"]["code"]) == (1, "replay.miss")
    assert ".prompt: recorded 'Judge <id:1>', now 'Judge well <id:1>'" in error["message"]
    assert mplp("cassette", "check", "c.jsonl").code == 0


ASKS = """\
workflow:
  id: asks
  name: Asks
  version: 1.0.0
  steps:
    - {id: one, type: agent, agent: a, prompt: first}
    - {id: ask, type: approval, message: Go on?, approvers: [ann], dependencies: [one]}
    - {id: two, type: agent, agent: a, prompt: second, dependencies: [ask]}
agents: [{id: a, kind: mock, default: fine}]
"""


def test_a_recording_goes_on_when_its_run_is_resumed(mplp: Command, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(ASKS)
    waits = mplp("run", "w.yaml", "--record", "c.jsonl", "--output", "quiet")
    assert (waits.code, (tmp_path / "c.jsonl").exists()) == (3, False)
    assert "mplp resume RUN --record c.jsonl" in waits.err
    assert mplp("approve", "asks", "--by", "ann").code == 0
    assert mplp("resume", "asks", "--record", "c.jsonl", "--output", "quiet").code == 0
    shown = mplp("cassette", "show", "c.jsonl", "--output", "json").document
    assert [(one["n"], one["step"]) for one in shown["entries"]] == [(1, "one"), (2, "two")]
    assert mplp("cassette", "diff", "c.jsonl", "c.jsonl").out == "the same\n"


def test_what_cannot_be_is_refused_before_anything_starts(mplp: Command, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(ASKS)
    (tmp_path / "bad.jsonl").write_text('{"mplpCassette": 1, "mplp": "0"}\n{oops\n')
    for options, said in (
        (["--replay", "none.jsonl"], "cannot read none.jsonl"),
        (["--replay", "bad.jsonl"], "bad.jsonl:2:2: the line is not JSON"),
        (["--replay", "bad.jsonl", "--record", "c"], "name one cassette"),
        (["--record-missing", "c"], "nothing is recorded in CI"),
    ):
        ended = mplp("run", "w.yaml", *options, env={"CI": "true"})
        assert (ended.code, said in ended.err, list(tmp_path.glob("c*"))) == (2, True, []), ended.err
