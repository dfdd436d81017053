"""The dashboard: frames of a few moments, and that nothing ever sticks out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mplp_cli.observe.analysis import Failing, Full, Load, analyse
from mplp_cli.observe.seen import Doing, Latency, Rate, Seen, SeenAgent, SeenAlert, SeenKind, SeenRun
from mplp_cli.render.amounts import count_text, seconds_text, sparkline
from mplp_cli.render.dashboard import dashboard
from mplp_cli.render.ink import cells
from mplp_cli.render.theme import PLAIN, Theme
from mplp_cli.workflow.bottlenecks import Metrics, Network, Use
from tests.render.fakes import NOON

WAVE = tuple((n * 7 % 13) * 1.5 for n in range(60))
CPU = Metrics(
    cpu=Use(utilization=0.86),
    memory=Use(utilization=0.71),
    storage=Use(utilization=0.25),
    network=Network(latency=0.1),
)


def empty() -> Seen:
    return Seen(at=NOON, window=600_000, part=10_000, lately=3_600_000, machine=CPU, cores=4, memory=16 << 30)


def busy() -> Seen:
    """Many things at once: runs at work, one that asks, one in a queue, one without its process, a failing one."""
    runs = (
        run("import", "running", 9, 40, working=("page-8", "page-9", "page-10"), queued=29),
        run("train", "running", 0, 2, place="waits for gpu"),
        run("release", "waiting", 1, 3, ask="mplp approve 3a8f1c02 go --by ann"),
        run("listen", "waiting", 1, 2, said="waits for an event git.tag.*"),
        run("nightly", "interrupted", 3, 9),
        run("deploy", "queued", place='2 in the queue for "prod"'),
        run(
            "report", "failed", 2, 2, said="`fetch`: exit code 3: no such host", times=3, ended=NOON - 130_000
        ),
    )
    load = Load(
        machine=CPU,
        slot_wait=3.5,
        queued=29,
        full=[Full("gpu", 1, "import 0198f3a1")],
        dead={"audit": 2},
        behind={"route:mail": 240},
        failing=[Failing("report", 3, 3, runs[-1].id)],
    )
    rising = [(NOON - 300_000 + 5_000 * n, 0.6 + n * 0.002) for n in range(60)]
    return Seen(
        at=NOON,
        window=600_000,
        part=10_000,
        lately=3_600_000,
        stored=True,
        measured=True,
        machine=CPU,
        machine_past={"cpu": tuple(v / 20 for v in WAVE), "memory": (None,) * 50 + (0.7,) * 10},
        cores=4,
        memory=16 << 30,
        counts={"running": 2, "waiting": 2, "interrupted": 1, "queued": 1, "completed": 1_204, "failed": 3},
        runs=runs,
        rates={"steps": Rate(12.4, WAVE), "events": Rate(None, (None,) * 60)},
        latencies={
            "step": Latency(0.348, 2.04, 3725.0, 26_500),
            "slot wait": Latency(0.7, 3.5, 4.9, 26_500),
            "commit": Latency(0.0004, 0.02, 0.0246, 900),
            "agent": None,
        },
        resources=(
            SeenKind(name="cpu", capacity=4_000, taken=1_500, holders=(("import 0198f3a1", 1_500),)),
            SeenKind(
                name="gpu", capacity=2_000, taken=2_000, holders=(("import 0198f3a1", 2_000),), waiting=1
            ),
            SeenKind(name="memory", capacity=16 << 30, taken=0),
        ),
        behind={"route:mail": 240, "trigger:nightly/tick": 0},
        retrying={"mail": 3},
        dead={"audit": 2},
        agents=(
            SeenAgent(name="writer", calls=251, failed=13, tokens_in=143_000, tokens_out=36_000, cost=1.31),
            SeenAgent(name="a-reader-with-a-long-name", calls=2),
        ),
        analysis=analyse(load, {"memory": rising, "steps": [(at, 12.0) for at, _ in rising]}),
        alerts=(
            SeenAlert(
                name="slow-steps",
                status="firing",
                severity="critical",
                since=NOON - 95_000,
                message="p95 of mplp_step_duration_seconds over 5m00s above 2",
            ),
            SeenAlert(
                name="full-disk", status="pending", severity="warning", since=NOON, message="", silenced=True
            ),
        ),
    )


def run(name: str, status: str, done: int = 0, total: int = 0, **more: object) -> SeenRun:
    doing = {key: more.pop(key) for key in ("working", "queued", "said") if key in more}
    return SeenRun(
        id=f"{abs(hash_of(name)):08x}-5b1c-4c57-9a55-2f0c1d2e3f40",
        workflow=name,
        status=status,
        since=NOON - 73_000,
        doing=Doing(ended=done, total=total, **doing),  # type: ignore[arg-type]  # by name
        **more,  # type: ignore[arg-type]  # by name
    )


def hash_of(name: str) -> int:
    return sum(ord(letter) << 3 * n for n, letter in enumerate(name))


def draw(seen: Seen, width: int, height: int | None, theme: Theme = PLAIN) -> str:
    return dashboard(seen, seen.at + 1_000, width, height, theme).plain


@pytest.mark.parametrize(("width", "height"), [(60, None), (80, None), (80, 24), (140, 40)])
def test_the_dashboard_while_much_goes_on(
    width: int, height: int | None, snapshot: SnapshotAssertion
) -> None:
    assert draw(busy(), width, height) == snapshot


def test_the_dashboard_before_anything_has_run(snapshot: SnapshotAssertion) -> None:
    assert draw(empty(), 80, 24) == snapshot


def test_the_dashboard_in_ascii(snapshot: SnapshotAssertion) -> None:
    screen = draw(busy(), 80, None, Theme(unicode=False))
    assert screen.isascii()
    assert screen == snapshot


def test_a_pane_stays_where_it_is_when_others_come() -> None:
    def place(screen: str, title: str) -> int:
        return next(line.index(title) for line in screen.splitlines() if title in line)

    for width in (80, 140):
        for title in ("THROUGHPUT", "LATENCY", "MACHINE", "RESOURCES"):
            assert place(draw(empty(), width, None), title) == place(draw(busy(), width, None), title)


def test_however_small_the_terminal_no_status_hides_the_others() -> None:
    from msgspec.structs import replace

    many = replace(busy(), runs=tuple(run(f"w{n}", "running", n, 40) for n in range(30)) + busy().runs)
    screen = draw(many, 80, 40)
    assert all(name in screen for name in ("release", "nightly", "deploy", "report"))
    assert "more" in screen


NAMES = st.text(max_size=40)
RUNS = st.builds(
    SeenRun,
    id=st.uuids().map(str),
    workflow=NAMES,
    status=st.sampled_from("running waiting paused queued interrupted failed".split()),
    since=st.integers(0, NOON),
    ended=st.sampled_from([0, NOON - 5_000]),
    doing=st.builds(
        Doing,
        ended=st.integers(0, 10**6),
        total=st.integers(0, 10**6),
        working=st.lists(NAMES, max_size=3).map(tuple),
        said=NAMES,
    ),
    ask=NAMES,
    place=NAMES,
    times=st.integers(0, 10**5),
)
MOMENTS = st.builds(
    Seen,
    at=st.just(NOON),
    window=st.just(600_000),
    part=st.just(10_000),
    lately=st.just(3_600_000),
    stored=st.booleans(),
    measured=st.booleans(),
    machine=st.builds(
        Metrics,
        cpu=st.builds(Use, utilization=st.none() | st.floats(0, 1)),
        network=st.builds(Network, latency=st.none() | st.floats(0, 1e7)),
    ),
    counts=st.dictionaries(st.sampled_from(["running", "failed", "completed"]), st.integers(0, 10**6)),
    runs=st.lists(RUNS, max_size=12).map(tuple),
    rates=st.dictionaries(
        st.sampled_from(["steps", "events"]),
        st.builds(
            Rate,
            st.none() | st.floats(0, 1e12),
            st.lists(st.none() | st.floats(0, 1e9), max_size=60).map(tuple),
        ),
    ),
    latencies=st.dictionaries(
        st.sampled_from(["step", "slot wait"]),
        st.builds(Latency, *[st.floats(0, 1e7)] * 3, st.integers(1, 10**9)),
    ),
    resources=st.lists(
        st.builds(
            SeenKind,
            name=NAMES,
            capacity=st.integers(1, 10**12),
            taken=st.integers(0, 10**13),
            holders=st.lists(st.tuples(NAMES, st.integers(1, 10**9)), max_size=3).map(tuple),
            waiting=st.integers(0, 9),
        ),
        max_size=5,
    ).map(tuple),
    dead=st.dictionaries(NAMES, st.integers(1, 10**6), max_size=4),
    agents=st.lists(
        st.builds(SeenAgent, name=NAMES, calls=st.integers(0, 10**9), cost=st.floats(0, 1e7)), max_size=4
    ).map(tuple),
    alerts=st.lists(
        st.builds(
            SeenAlert,
            name=NAMES,
            status=st.sampled_from(["firing", "pending", "resolved"]),
            severity=st.just("warning"),
            since=st.integers(0, NOON),
            message=NAMES,
        ),
        max_size=3,
    ).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(MOMENTS, st.integers(1, 220), st.none() | st.integers(1, 60), st.booleans())
def test_no_line_is_longer_than_the_terminal_is_wide(
    seen: Seen, width: int, height: int | None, unicode: bool
) -> None:
    screen = dashboard(seen, NOON + 5_000, width, height, Theme(unicode=unicode))
    assert all(line.width <= width for line in screen)
    assert height is None or len(screen) <= height
    assert not {"\x1b", "\n"} & set("".join(line.plain for line in screen))


@given(st.floats(0, 1e7))
def test_numbers_and_times_are_short(number: float) -> None:
    assert cells(count_text(number)) <= 5
    assert cells(seconds_text(number)) <= 9


def test_a_sparkline_shows_zero_nothing_known_and_the_most() -> None:
    assert sparkline([None, 0.0, 0.001, 5.0, 10.0], 9, PLAIN) == " ▁▂▅█"
    assert sparkline([9.0, 0.0, 1.0], 2, PLAIN) == "▁█", "the last ones"
    assert sparkline([0.5], 5, Theme(unicode=False), 1.0) == "="
    assert sparkline([1.0], 0, PLAIN) == ""
