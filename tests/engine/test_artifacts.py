"""Files that steps leave are kept: those that are meant, none from elsewhere, and whole or not at all."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.engine import artifacts, matching
from mplp_cli.engine.artifacts import _keep, keep_artifacts
from mplp_cli.engine.capture import read_log
from mplp_cli.engine.matching import Pattern, walk
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.fold.outcomes import ArtifactError
from tests.bench_of_runs import Bench, error_of, given, planned, retries, shell, statuses, step

TREE = [
    "a.txt", "b.md", ".env", "dist/x.whl", "dist/y.tar.gz", "dist/.hidden/k", "dist/deep/z.whl", "src/one/m.xml",
    "src/two/.cache/n.xml", "src/.git/o.xml", "p.xml", "odd\nname/[x].txt",
]  # fmt: skip


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory with files."""
    root = tmp_path / "work"
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def matched(root: Path, *patterns: str) -> list[str]:
    top = os.open(root, os.O_RDONLY)
    try:
        return [found.path for found in walk(top, [Pattern(text) for text in patterns]) if not found.what]
    finally:
        os.close(top)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        ("*", ["a.txt", "b.md", *(n for n in TREE if n.startswith("dist")), "odd\nname/[x].txt", "p.xml",
               "src/.git/o.xml", "src/one/m.xml", "src/two/.cache/n.xml"]),
        ("*.*", ["a.txt", "b.md", "p.xml"]),
        (".*", [".env"]),
        ("?.txt", ["a.txt"]),
        ("[a-b].*", ["a.txt", "b.md"]),
        ("dist", ["dist/.hidden/k", "dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz"]),
        ("dist/", ["dist/.hidden/k", "dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz"]),
        ("dist/*.whl", ["dist/x.whl"]),
        ("dist/**", ["dist/deep/z.whl", "dist/x.whl", "dist/y.tar.gz"]),
        ("**/*.whl", ["dist/deep/z.whl", "dist/x.whl"]),
        ("dist/**/*.whl", ["dist/deep/z.whl", "dist/x.whl"]),
        ("**/**/**/*.whl", ["dist/deep/z.whl", "dist/x.whl"]),
        ("**/*.xml", ["p.xml", "src/one/m.xml"]),
        ("**/.cache/*.xml", ["src/two/.cache/n.xml"]),
        ("**/deep", ["dist/deep/z.whl"]),
        ("odd?name/[[]x].txt", ["odd\nname/[x].txt"]),
        ("nothing", []),
        ("a.txt/b", []),
    ],
)  # fmt: skip
def test_what_a_pattern_means(work: Path, pattern: str, files: list[str]) -> None:
    assert sorted(matched(work, pattern)) == sorted(files)


def test_a_file_that_several_patterns_mean_comes_once(work: Path) -> None:
    assert matched(work, "dist/*.whl", "dist", "**/*.whl").count("dist/x.whl") == 1


@pytest.mark.parametrize(
    "pattern", ["/etc/passwd", "../x", "a/../../x", "~/x", "", ".", "/", "a\0b", 5, None]
)
def test_a_pattern_that_leads_out_is_refused(pattern: Any) -> None:
    with pytest.raises(ArtifactError):
        Pattern(pattern)


def test_a_pattern_of_many_stars_is_no_riddle(work: Path) -> None:
    assert matched(work, "/".join(["**", "*"] * 20)[:-2] + "*/nope", "**/" * 50 + "a.txt") == ["a.txt"]


# ---- keeping -----------------------------------------------------------------------------------


def attempt(work: Path, patterns: Sequence[str], number: int = 1, **body: Any) -> Attempt:
    said: list[str] = []
    return Attempt(
        run="r", workflow="w", step="s", number=number, timeout=0, cwd=str(work), env={}, body=body,
        idempotency_key="", output=lambda step, stream, text: said.append(text), artifacts=list(patterns),
    )  # fmt: skip


def keep(work: Path, *patterns: str, **how: Any) -> list[str]:
    return _keep(attempt(work, patterns, **how), run_folder(work), threading.Event())


def run_folder(work: Path) -> Path:
    return work.parent / "state" / "runs" / "r"


def kept(work: Path) -> dict[str, str]:
    folder = run_folder(work) / "artifacts" / "s"
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(autouse=True)
def state(tmp_path: Path) -> None:
    (tmp_path / "state" / "runs" / "r").mkdir(parents=True)


def test_files_keep_their_names_and_are_for_their_user_only(work: Path) -> None:
    (work / "b.md").chmod(0o755)
    assert keep(work, "*.txt", "b.md", "dist") == ["kept 6 files, 61 bytes"]
    assert kept(work) == {n: n for n in TREE if n.startswith("dist") or n in ("a.txt", "b.md")}
    folder = run_folder(work) / "artifacts" / "s"
    assert (folder / "b.md").stat().st_mode & 0o777 == 0o700
    assert (folder / "a.txt").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_links_pipes_and_devices_are_left_out_with_a_remark(work: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hush")
    (work / "out").mkdir()
    (work / "out" / "file").symlink_to(secret / "key")
    (work / "out" / "folder").symlink_to(secret)
    (work / "out" / "inside").symlink_to(work / "a.txt")
    os.mkfifo(work / "out" / "pipe")
    said = keep(work, "out/**", "out/folder/key")
    assert kept(work) == {}
    assert said == [
        "out/file was not kept: it is a link",
        "out/folder was not kept: it is a link",
        "out/inside was not kept: it is a link",
        "out/pipe was not kept: it is no regular file",
        "no file matches the artifact pattern out/**",
        "no file matches the artifact pattern out/folder/key",
    ]


def test_a_directory_that_becomes_a_link_meanwhile_is_not_gone_through(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.whl").write_text("hush")
    looked = os.stat

    def swap(path: Any, *args: Any, **how: Any) -> os.stat_result:
        found = looked(path, *args, **how)
        if path == "dist" and not (work / "dist").is_symlink():
            (work / "dist").rename(work / "moved")
            (work / "dist").symlink_to(tmp_path / "elsewhere")
        return found

    monkeypatch.setattr(os, "stat", swap)
    keep(work, "dist")
    assert kept(work) == {}


def test_a_file_that_becomes_a_link_meanwhile_is_not_read(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hush").write_text("hush")
    looked = os.stat

    def swap(path: Any, *args: Any, **how: Any) -> os.stat_result:
        found = looked(path, *args, **how)
        if path == "a.txt" and not (work / "a.txt").is_symlink():
            (work / "a.txt").unlink()
            (work / "a.txt").symlink_to(tmp_path / "hush")
        return found

    monkeypatch.setattr(os, "stat", swap)
    with pytest.raises(ArtifactError, match=r"^a\.txt cannot be kept"):
        keep(work, "a.txt")
    assert kept(work) == {}


def test_the_state_directory_is_passed_over(tmp_path: Path) -> None:
    work = tmp_path
    (work / "x").write_text("x")
    (tmp_path / "state" / "runs" / "r" / "logs").mkdir()
    (tmp_path / "state" / "runs" / "r" / "logs" / "l").write_text("l")
    _keep(attempt(work, ["**"]), tmp_path / "state" / "runs" / "r", threading.Event())
    folder = tmp_path / "state" / "runs" / "r" / "artifacts" / "s"
    assert [p.name for p in folder.rglob("*")] == ["x"]


def test_too_much_is_an_error_and_nothing_of_it_is_kept(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MOST_FILES", 3)
    with pytest.raises(ArtifactError, match="the artifacts are more than 3 files; none of them was kept"):
        keep(work, "dist")
    monkeypatch.setattr(artifacts, "MOST_FILES", 10)
    monkeypatch.setattr(artifacts, "MOST_BYTES", 20)
    with pytest.raises(ArtifactError, match="more than 0 MiB"):
        keep(work, "dist")
    monkeypatch.setattr(matching, "LOOKED", 5)
    with pytest.raises(ArtifactError, match="lead through more than 5"):
        keep(work, "**/nope")
    assert kept(work) == {}
    assert list((run_folder(work) / "artifacts").iterdir()) == []


def test_a_later_attempt_takes_the_place_of_an_earlier_one(work: Path) -> None:
    keep(work, "a.txt", "b.md")
    (work / "b.md").unlink()
    (work / "a.txt").write_text("new")
    keep(work, "a.txt", "b.md", number=2)
    assert kept(work) == {"a.txt": "new"}
    (work / "a.txt").unlink()
    assert keep(work, "a.txt", number=3) == ["no file matches the artifact pattern a.txt"]
    assert not (run_folder(work) / "artifacts" / "s").exists()


def test_a_copy_that_was_never_finished_is_swept_away(work: Path) -> None:
    place = run_folder(work) / "artifacts"
    for name in (".s.1.new", ".s.2.new", ".other.1.new"):
        (place / name).mkdir(parents=True)
    keep(work, "a.txt", number=3)
    assert sorted(p.name for p in place.iterdir()) == [".other.1.new", "s"]


def test_an_attempt_that_was_given_up_changes_nothing(work: Path) -> None:
    keep(work, "a.txt")
    ended = threading.Event()
    ended.set()
    with pytest.raises(ArtifactError):
        _keep(attempt(work, ["b.md"], number=2), run_folder(work), ended)
    assert kept(work) == {"a.txt": "a.txt"}


def test_the_working_directory_is_that_of_the_step(work: Path) -> None:
    keep(work, "*.whl", cwd="dist")
    assert kept(work) == {"x.whl": "dist/x.whl"}


def test_a_directory_that_cannot_be_read_is_an_error_that_names_it(work: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file or directory"):
        keep(work, "*", cwd="gone")


def test_remarks_go_into_the_log_and_a_failed_attempt_keeps_its_own_error(work: Path) -> None:
    logs = run_folder(work) / "logs"
    asyncio.run(keep_artifacts(attempt(work, ["a.txt", "no*"]), False, log_dir=logs))
    asyncio.run(keep_artifacts(attempt(work, ["../x"], number=2), True, log_dir=logs))
    with pytest.raises(ArtifactError):
        asyncio.run(keep_artifacts(attempt(work, ["../x"], number=3), False, log_dir=logs))
    assert list(read_log(logs / "s.1.log")) == [
        ("note", "kept 1 file, 5 bytes\n"),
        ("note", "no file matches the artifact pattern no*\n"),
    ]
    [(stream, said)] = read_log(logs / "s.2.log")
    assert (stream, said.split(":")[0]) == ("note", "its artifacts were not kept")


# ---- in a run ----------------------------------------------------------------------------------


class Keeper:
    """Notes what it is asked to keep; for some steps it cannot."""

    def __init__(self, *broken: str) -> None:
        self.asked: list[tuple[str, int, list[str], bool]] = []
        self.broken = broken

    async def __call__(self, attempt: Attempt, failed: bool) -> None:
        self.asked.append((attempt.step, attempt.number, attempt.artifacts, failed))
        if attempt.step in self.broken and not failed:
            raise ArtifactError("the disk is full")


def ran(*steps: dict[str, Any], keeper: Keeper, **how: Any) -> Any:
    return Bench(planned(list(steps)), keep_files=keeper).start(**how)


def test_files_are_kept_after_each_attempt_also_a_failed_or_stopped_one() -> None:
    keeper = Keeper()
    state = ran(
        given("v", {"name": "x"}),
        shell("a", "fail 1", artifacts=["${v.result.name}/*"], retry_policy=retries(1)),
        shell("late", "sleep 9", timeout="1s", artifacts=["l"]),
        shell("none"),
        keeper=keeper,
    )
    assert statuses(state) == {"v": "completed", "a": "completed", "late": "failed", "none": "completed"}
    assert sorted(keeper.asked) == [
        ("a", 1, ["x/*"], True),
        ("a", 2, ["x/*"], False),
        ("late", 1, ["l"], True),
    ]


def test_files_that_cannot_be_kept_fail_the_step_and_it_is_not_tried_again() -> None:
    keeper = Keeper("a")
    state = ran(shell("a", artifacts=["x"], retry_policy=retries(3)), keeper=keeper)
    assert error_of(state, "a").type == "ArtifactError"
    assert len(keeper.asked) == 1


def test_a_reference_that_cannot_be_resolved_fails_the_step_before_its_work() -> None:
    bench = Bench(planned([given("v"), shell("a", artifacts=["${v.result.no}"])]), keep_files=Keeper())
    assert statuses(bench.start())["a"] == "failed"
    assert bench.work.executed == []


def test_nothing_is_kept_of_a_run_that_is_killed() -> None:
    keeper = Keeper()
    ran(shell("a", "sleep 9", artifacts=["x"]), keeper=keeper, during=[(1, lambda drive: drive.kill("ann"))])
    assert keeper.asked == []


def test_items_of_a_foreach_keep_files_of_their_own() -> None:
    keeper = Keeper()
    ran(step("foreach", "f", items=["x", "y"], steps=[shell("a", artifacts=["${item}.txt"])]), keeper=keeper)
    assert sorted(keeper.asked) == [("f[0].a", 1, ["x.txt"], False), ("f[1].a", 1, ["y.txt"], False)]
