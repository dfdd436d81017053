"""What crash tests share: the library that ends a process at one of its system calls, and a workflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.everything import EVERYTHING, INNER, MARKS, leave_a_mark
from tests.crash.points import Points
from tests.crash.whole import Everything, Undisturbed, watch
from tests.service import Service, serving


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Where requests leave their marks."""
    with serving(leave_a_mark) as made:
        yield made


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Everything:
    """The workflow with every step type as a file, and the inputs of its runs."""
    file = tmp_path_factory.mktemp("workflow") / "everything.yaml"
    file.write_text(EVERYTHING, "utf-8")
    file.with_name("inner.yaml").write_text(INNER, "utf-8")
    file.with_name("marks.py").write_text(MARKS, "utf-8")
    return Everything(file, ("-i", f"service={service.base}"))


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, points: Points, everything: Everything
) -> Undisturbed:
    """What a run does to which nothing happens."""
    return watch(points, everything.victim(tmp_path_factory.mktemp("undisturbed")))


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Points:
    """The library, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and a dynamic linker that knows LD_PRELOAD")
    library = tmp_path_factory.mktemp("crash") / "syscalls.so"
    source = Path(__file__).with_name("syscalls.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"],
        check=True,
    )
    return Points(library)
