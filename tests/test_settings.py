"""Settings of a project: found upwards, strict, and free of charge where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import Exit, UsageError
from mplp_cli.settings import Settings, load_settings
from mplp_cli.workflow.metrics import Measuring
from mplp_cli.workflow.resources import Kind, Unit


def refusal(directory: Path, text: str | bytes) -> UsageError:
    path = directory / "mplp.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as refused:
        load_settings(directory)
    assert refused.value.exit_code == Exit.USAGE
    assert refused.value.message.startswith(str(path))
    return refused.value


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings(file=None, state_dir=None, modules={})


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "null"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "mplp.yaml").write_text(text)
    assert load_settings(tmp_path) == Settings(file=tmp_path / "mplp.yaml")


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "mplp.yaml").write_text("state-dir: far")
    assert load_settings(deep).state_dir == tmp_path / "far"
    (tmp_path / "a" / "mplp.yaml").write_text("state-dir: near")
    assert load_settings(deep).state_dir == tmp_path / "a" / "near"


def test_a_state_directory_may_be_absolute_or_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    (tmp_path / "mplp.yaml").write_text("state-dir: /var/lib/mplp")
    assert load_settings(tmp_path).state_dir == Path("/var/lib/mplp")
    (tmp_path / "mplp.yaml").write_text("state-dir: ~/mplp")
    assert load_settings(tmp_path).state_dir == Path("/home/ann/mplp")


def test_modules_get_what_is_written_for_them(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text("modules: {trace: {retention: 30d, levels: [1, 2.5, true, null]}}")
    assert load_settings(tmp_path).modules == {"trace": {"retention": "30d", "levels": [1, 2.5, True, None]}}


@pytest.mark.parametrize(
    ("key", "meant"), [("state_dir", "state-dir"), ("statedir", "state-dir"), ("module", "modules")]
)
def test_a_misspelt_key_is_refused_with_what_was_meant(tmp_path: Path, key: str, meant: str) -> None:
    refused = refusal(tmp_path, f"{key}: x")
    assert f"has an unknown key '{key}'" in refused.message
    assert refused.hint == f"Did you mean `{meant}`?"


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("{network: {deny-private: true}}", True),
        ("{network: {deny-private: false}}", False),
        ("{network: {}}", False),
        ("{}", False),
    ],
)
def test_the_policy_may_deny_private_addresses(tmp_path: Path, text: str, denied: bool) -> None:
    (tmp_path / "mplp.yaml").write_text(f"policy: {text}")
    assert load_settings(tmp_path).deny_private is denied


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{network: {deny-privat: true}}", "unknown key 'deny-privat' under `policy.network`"),
        ("{net: {}}", "unknown key 'net' under `policy`"),
        ("{network: {deny-private: 'yes'}}", "must say true or false under `policy.network.deny-private`"),
        ("strict", "must have a map under `policy`"),
        ("{network: [deny-private]}", "must have a map under `policy.network`"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, f"policy: {text}").message


def test_resources_are_kinds_of_one_unit_or_several_and_rates(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text(
        "resources:\n"
        "  cpu: 1.5\n"
        "  memory: [{id: node-a, capacity: 4GiB}, {id: node-b, capacity: 512MB}]\n"
        "  network: 1gbps\n"
        "  custom: {llm-slot: 4, gpu: [{id: gpu0, capacity: 1}], tokens: {capacity: 100000, per: 1m}}\n"
    )
    assert load_settings(tmp_path).resources == {
        "cpu": Kind(name="cpu", units=(Unit("cpu", 1_500),)),
        "memory": Kind(name="memory", units=(Unit("node-a", 4 << 30), Unit("node-b", 512 * 10**6))),
        "network": Kind(name="network", units=(Unit("network", 10**9),)),
        "llm-slot": Kind(name="llm-slot", units=(Unit("llm-slot", 4_000),)),
        "gpu": Kind(name="gpu", units=(Unit("gpu0", 1_000),)),
        "tokens": Kind(name="tokens", units=(Unit("tokens", 100_000_000),), per=60_000),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must have a map under `resources`"),
        ("{cpus: 4}", "unknown key 'cpus' under `resources`"),
        ("{llm-slot: 4}", "unknown key 'llm-slot' under `resources`"),
        ("{cpu: many}", "an amount under `resources.cpu`: 'many' is not a number such as 1 or 0.5"),
        ("{cpu: 0}", "an amount under `resources.cpu`: 0 is too little"),
        ("{cpu: {capacity: 4, per: 1m}}", "a list of units under `resources.cpu`, not a map"),
        ("{memory: 4096.5}", "an amount under `resources.memory`: 4096.5 is not a whole number of bytes"),
        ("{cpu: true}", "an amount under `resources.cpu`"),
        ("{cpu: null}", "an amount under `resources.cpu`"),
        ("{cpu: .inf}", "an amount under `resources.cpu`"),
        (f"{{memory: {'9' * 400}GiB}}", "an amount under `resources.memory`"),
        ("{memory: 16 parsecs}", "such as 256MiB or 2GB"),
        ("{cpu: []}", "must list from 1 to 1,000 units under `resources.cpu`"),
        ("{cpu: [4]}", "must have a map for unit 1 of `resources.cpu`"),
        ("{cpu: [{id: a}]}", "needs `capacity` under `resources.cpu`"),
        ("{cpu: [{id: a, capacity: 1, size: 2}]}", "unknown key 'size' under `resources.cpu`"),
        ("{cpu: [{id: 5, capacity: 1}]}", "has an id under `resources.cpu` that is none: 5"),
        ("{cpu: [{id: a, capacity: 1}, {id: a, capacity: 2}]}", "has the unit `a` twice"),
        ("{cpu: [{id: a, capacity: x}]}", "an amount under `resources.cpu` for `a`: 'x' is not a number"),
        (
            "{memory: [{id: a, capacity: 1048576TiB}, {id: b, capacity: 1TiB}]}",
            "more under `resources.memory`",
        ),
        ("{custom: 4}", "must have a map under `resources.custom`"),
        ("{custom: {memory: 4}}", "has `memory` under `resources.custom`"),
        ('{custom: {"\\e[31m": 4}}', "has a name under `resources.custom` that is none"),
        ("{custom: {t: {per: 1m}}}", "needs `capacity` under `resources.custom.t`"),
        (
            "{custom: {t: {capacity: 5, per: 0}}}",
            "a duration of at most a year under `resources.custom.t.per`",
        ),
        ("{custom: {t: {capacity: 5, per: soon}}}", "a duration of at most a year"),
        ("{custom: {t: {capacity: 5, per: none}}}", "a duration of at most a year"),
    ],
)
def test_resources_that_are_not_understood_are_refused(tmp_path: Path, text: str, said: str) -> None:
    refused = refusal(tmp_path, f"resources: {text}")
    assert said in refused.message
    assert "\x1b" not in refused.message
    assert (
        refused.hint
        or "must have a map" in refused.message
        or "more under" in refused.message
        or "list" in said
    )


def test_a_key_like_no_other_is_refused_with_the_list(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, "xyzzy: 1").hint
        == "The keys are `activation`, `agents`, `alerts`, `events`, `metrics`, `modules`, `policy`, `probes`,"
        " `resources`, `retention`, `state-dir`, `traces`."
    )


def test_text_of_the_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    assert "\x1b" not in refusal(tmp_path, '"\\e[31mred": 1').message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "must be a map"),
        ("just text", "must be a map"),
        ("state-dir: 5", "must name a directory"),
        ("state-dir: ''", "must name a directory"),
        ('state-dir: "a\\0b"', "must name a directory"),
        ("modules: []", "must have a map of module names"),
        ("modules: {trace: 5}", "must have a map under `modules` for 'trace'"),
        ("modules: {5: {}}", "must have a map under `modules` for 5"),
        ("modules: {trace: {5: x}}", "a key that is not text under `modules`: 5"),
        ("modules: {trace: {since: 2024-01-01}}", "JSON cannot hold"),
        ("modules: {trace: {limit: .inf}}", "JSON cannot hold"),
        ("modules: {trace: {data: !!binary aGk=}}", "JSON cannot hold"),
        ("modules: {trace: &a {self: *a}}", "contains itself"),
        ("state-dir: x\nstate-dir: y", "not valid YAML in line 2, column 1"),
        ("modules: {", "not valid YAML in line 2"),
        ("state-dir: x\n---\nstate-dir: y", "not valid YAML"),
        ("modules: !!python/object:os.system {}", "not valid YAML in line 1"),
        (b"state-dir: \xff", "is not UTF-8 (byte 11)"),
        (b"state-dir: a\0b", "not valid YAML"),
        ("#" * (1 << 20) + "\n", "is larger than 1048576 bytes"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, text).message


def test_a_few_lines_cannot_become_millions_of_values(tmp_path: Path) -> None:
    lines = ["modules:", "  a0: &a0 {k: [1, 1, 1, 1, 1, 1, 1, 1, 1]}"]
    lines += [f"  a{n}: &a{n} {{k: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    assert "has more than 100000 values" in refusal(tmp_path, "\n".join(lines)).message


def test_nesting_that_exhausts_the_parser_is_said(tmp_path: Path) -> None:
    assert "is nested deeper than 64 levels" in refusal(tmp_path, "modules: " + "[" * 100_000).message


def test_a_directory_of_that_name_is_said(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path)


@given(st.binary(max_size=60) | st.text(alphabet=" -:{}[]&*!|>'\"\n\tamodules#%?,5").map(str.encode))
def test_no_file_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / "mplp.yaml").write_bytes(content)
    try:
        load_settings(directory)
    except UsageError as error:
        text = error.message
    else:
        text = ""
    assert text.isprintable()


def test_without_a_file_nothing_heavy_is_imported(tmp_path: Path) -> None:
    look = (
        "import sys; from pathlib import Path; from mplp_cli.settings import load_settings;"
        "load_settings(Path('.')); print('ruamel.yaml' in sys.modules, 'difflib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False False\n"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("off", Measuring(on=False)),
        ("false", Measuring(on=False)),
        (
            "{interval: 10s, retention: 7d, open: true}",
            Measuring(interval=10_000, retention=604_800_000, open=True),
        ),
        ("", Measuring()),
    ],
)
def test_what_is_measured_can_be_said(tmp_path: Path, said: str, meant: Measuring) -> None:
    (tmp_path / "mplp.yaml").write_text(f"metrics: {said}\n")
    assert load_settings(tmp_path).metrics == meant


@pytest.mark.parametrize(
    "said",
    ["sometimes", "{interval: 10ms}", "{retention: 1s}", "{open: 1}", "{every: 5s}", "{interval: 5}", "[]"],
)
def test_what_cannot_be_measured_so_is_refused(tmp_path: Path, said: str) -> None:
    assert "metrics" in refusal(tmp_path, f"metrics: {said}").message
