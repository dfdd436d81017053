"""The pool: what is stated wins, the rest is looked for on the machine when somebody asks for it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from mplp_cli.resources.machine import detect
from mplp_cli.resources.pool import Kinds, make_pool
from mplp_cli.settings import Settings
from mplp_cli.workflow.stated import stated_kinds, whole

CORES = len(os.sched_getaffinity(0)) * 1_000 if hasattr(os, "sched_getaffinity") else 0


def test_what_is_stated_wins_kind_by_kind_and_only_what_is_asked_for_is_looked_for() -> None:
    asked: list[str] = []

    def look(kind: str) -> int | None:
        asked.append(kind)
        return {"memory": 1 << 30, "storage": 1 << 40}.get(kind)

    kinds = Kinds(stated_kinds({"cpu": 3, "custom": {"llm-slot": 4}}), look)
    assert kinds["cpu"] == whole("cpu", 3_000)
    assert "llm-slot" in kinds
    assert "gpu" not in kinds
    assert asked == []
    assert [kinds["memory"].capacity, kinds["memory"].units[0].id] == [1 << 30, "memory"]
    assert kinds.get("network") is None
    assert list(kinds) == ["cpu", "memory", "storage", "llm-slot"]
    assert asked == ["memory", "network", "storage"]  # each once
    assert (kinds.is_stated("cpu"), kinds.is_stated("memory")) == (True, False)


def test_this_machine_has_cores_memory_and_a_disk(tmp_path: Path) -> None:
    kinds = make_pool(Settings(), tmp_path / "not" / "there").kinds
    assert 0 < kinds["cpu"].capacity <= (psutil.cpu_count() or 1) * 1_000
    assert 0 < kinds["memory"].capacity <= psutil.virtual_memory().total
    assert kinds["storage"].capacity == psutil.disk_usage(str(tmp_path)).total


@pytest.mark.parametrize(
    ("groups", "files", "cpu", "memory"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000\n", "a/b/cpu.max": "max 100000\n",
                       "a/b/memory.max": "1048576\n", "a/memory.max": "2097152\n"}, 1_500, 1 << 20),
        ("0::/\n", {"cpu.max": "50000 100000\n", "memory.max": "max\n"}, 500, None),
        ("4:memory:/job\n2:cpu,cpuacct:/job\n",
         {"cpu/job/cpu.cfs_quota_us": "25000\n", "cpu/job/cpu.cfs_period_us": "100000\n",
          "memory/job/memory.limit_in_bytes": "4194304\n"}, 250, 1 << 22),
        ("2:cpu:/job\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ("2:cpu:/../../etc\nnonsense\n", {"cpu.max": "1 0\n", "memory.max": "\n"}, None, None),
        (None, {}, None, None),
    ],
)  # fmt: skip
def test_limits_of_the_groups_around_this_process_count(
    tmp_path: Path, groups: str | None, files: dict[str, str], cpu: int | None, memory: int | None
) -> None:
    if groups is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert detect("cpu", tmp_path, tmp_path) == (cpu or CORES or detect("cpu", tmp_path))
    assert detect("memory", tmp_path, tmp_path) == (memory or psutil.virtual_memory().total)
    assert detect("gpu", tmp_path, tmp_path) is None
