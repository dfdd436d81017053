"""What steps get from outside: environment, secrets, inputs, plug-ins. Through the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECRET = "s3cr3t value/with+signs"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_workflow(steps: str, more: str = "") -> Path:
        file = tmp_path / "w.yaml"
        file.write_text(f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n{more}  steps:\n{steps}")
        return file

    return write_workflow


def everything_under(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_a_secret_reaches_the_step_and_no_sink(mplp: Any, write: Callable[..., Path], tmp_path: Path) -> None:
    file = write(
        """\
    - id: use
      type: shell
      env: {TOKEN: "${secrets.API_TOKEN}"}
      run: |
        printf %s "$TOKEN" | wc -c
        echo "token: $TOKEN"
        printf %s "$TOKEN" | base64
        echo "$TOKEN" >&2
    - id: again
      type: shell
      run: 'echo "${use.result.stdout} in a later step"'
    - {id: fail, type: shell, env: {TOKEN: "${secrets.API_TOKEN}"}, run: 'echo "$TOKEN" >&2; exit 3'}
""",
        "  secrets: [API_TOKEN]\n  outputs: {said: '${use.result.output}'}\n",
    )
    ended = mplp("run", file, "-o", "jsonl", "--junit", tmp_path / "junit.xml", env={"API_TOKEN": SECRET})
    assert ended.code == 1
    assert str(len(SECRET)) in ended.out, "the step itself got the secret"
    shown = (ended.out + ended.err).encode() + everything_under(tmp_path)
    assert SECRET.encode() not in shown
    import base64

    assert base64.b64encode(SECRET.encode()) not in shown
    assert "***" in ended.out


def test_a_declared_secret_is_not_in_the_environment_of_steps_that_do_not_name_it(
    mplp: Any, write: Any
) -> None:
    file = write(
        "    - {id: a, type: shell, run: 'echo \"${API_TOKEN-none}\"'}\n",
        "  secrets: [API_TOKEN]\n  outputs: {said: '${a.result.output}'}\n",
    )
    assert mplp("run", file, env={"API_TOKEN": SECRET}).document == {"said": "none"}


@pytest.mark.parametrize(("value", "said"), [(None, "missing secrets: API_TOKEN"), ("abc", "shorter than 4")])
def test_a_secret_that_cannot_be_used_stops_the_run_before_it_starts(
    mplp: Any, write: Any, value: str | None, said: str
) -> None:
    file = write("    - {id: a, type: shell, run: 'touch canary'}\n", "  secrets: [API_TOKEN]\n")
    ended = mplp("run", file, env={"API_TOKEN": value} if value else {})
    assert ended.code == 2
    assert said in ended.err
    assert not (file.parent / "canary").exists()


def test_secrets_come_from_a_file_after_the_environment(mplp: Any, write: Any, tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("# comment\nexport A_KEY='from the file'\nB_KEY=from-file\n")
    file = write(
        "    - {id: a, type: shell, env: {A: '${secrets.A_KEY}', B: '${secrets.B_KEY}'}, "
        "run: 'printf %s \"$A$B\" | wc -c'}\n",
        "  secrets: [A_KEY, B_KEY]\n  outputs: {n: '${a.result.output}'}\n",
    )
    ended = mplp("run", file, "--secrets-file", tmp_path / "secrets.env", env={"B_KEY": "from-environment"})
    assert int(ended.document["n"]) == len("from the file" + "from-environment")


def test_env_goes_from_the_step_over_the_workflow_over_the_process(mplp: Any, write: Any) -> None:
    file = write(
        "    - {id: a, type: shell, env: {STEP: step, BOTH: step}, "
        "run: 'echo \"$STEP $BOTH $FLOW $PROCESS $TAKEN ${env.TAKEN} ${env.FLOW}\"'}\n",
        "  env: {FLOW: '${inputs.x}', BOTH: flow, PROCESS: flow, TAKEN: }\n"
        "  inputs: {x: {type: integer, default: 7}}\n"
        "  outputs: {said: '${a.result.output}'}\n",
    )
    ended = mplp("run", file, env={"PROCESS": "process", "TAKEN": "taken"})
    assert ended.document == {"said": "step step 7 flow taken taken 7"}


def test_an_env_file_fills_in_what_the_process_does_not_have(mplp: Any, write: Any, tmp_path: Path) -> None:
    (tmp_path / "more.env").write_text("ONE=file\nTWO=file\n")
    file = write(
        "    - {id: a, type: shell, run: 'echo \"$ONE $TWO\"'}\n", "  outputs: {said: '${a.result.output}'}\n"
    )
    ended = mplp("run", file, "--env-file", tmp_path / "more.env", env={"ONE": "process"})
    assert ended.document == {"said": "process file"}


def test_inputs_come_from_the_command_line_over_a_file(mplp: Any, write: Any, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("name: file\ntags: [a, b]\n")
    file = write(
        "    - {id: a, type: set, values: {n: '${inputs.name}', t: '${inputs.tags}', c: '${inputs.count}'}}\n",
        "  inputs: {name: {type: string}, tags: {type: array}, count: {type: integer, default: 1}}\n"
        "  outputs: {all: '${a.result}'}\n",
    )
    ended = mplp("run", file, "--inputs", tmp_path / "in.yaml", "-i", "name=010", "-i", "count=3")
    assert ended.document == {"all": {"n": "010", "t": ["a", "b"], "c": 3}}
    wrong = mplp("run", file, "-i", "nam=x", "-i", "count=many")
    assert wrong.code == 2
    assert "did you mean `name`" in wrong.err


def test_a_condition_handler_of_a_plug_in_is_found_and_used(mplp: Any, write: Any, tmp_path: Path) -> None:
    plugin = tmp_path / "site"
    (plugin / "office-1.0.dist-info").mkdir(parents=True)
    (plugin / "office-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: office\nVersion: 1.0\n"
    )
    (plugin / "office-1.0.dist-info" / "entry_points.txt").write_text(
        "[mplp.conditions]\nopen = office:is_open\n"
    )
    (plugin / "office.py").write_text(
        "def is_open(arguments, view):\n    return view.inputs['hour'] >= arguments['from']\n"
    )
    file = write(
        "    - id: a\n      type: conditional\n"
        "      condition: {type: custom, handler: open, arguments: {from: 9}}\n"
        "      then: {id: yes1, type: set, values: {v: in}}\n"
        "      else: {id: no1, type: set, values: {v: out}}\n",
        "  inputs: {hour: {type: integer}}\n  outputs: {v: '${a.result.v}'}\n",
    )
    path = f"{mplp.env['PYTHONPATH']}:{plugin}"
    assert mplp("run", file, "-i", "hour=10", env={"PYTHONPATH": path}).document == {"v": "in"}
    assert mplp("run", file, "-i", "hour=8", env={"PYTHONPATH": path}).document == {"v": "out"}
    without = mplp("validate", file, "-o", "json")
    assert [p["code"] for p in json.loads(without.out)["problems"]] == ["cond-unknown-handler"]
