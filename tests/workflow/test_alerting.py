"""How alerts stand: against an oracle that looks at whole series, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mplp_cli.workflow.alerting import Key, Standing, looked
from mplp_cli.workflow.alerts import Alert, Silence, values_of
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.metrics import Labels, Sample, histogram
from mplp_cli.workflow.published import Published

BEGIN = 1_700_000_000_000
S = 1_000
#: Moments and values, None where there is none.
Series = Sequence[tuple[int, float | None]]


def transitions(alert: Alert, series: Series) -> list[tuple[int, str]]:
    """The oracle: it remembers nothing but the last transition, and reads the series backwards from each moment."""
    found: list[tuple[int, str]] = []
    fires, last = False, -1
    for i, (now, value) in enumerate(series):
        back = series[last + 1 : i][::-1]
        if value is None:
            nothing = now
            for at, held in back:
                if held is not None:
                    break
                nothing = at
            if fires and now - nothing > alert.patience:
                found.append((now, "no-data"))
                fires, last = False, i
            continue
        upper, lower = alert.threshold, alert.clear_at
        is_up, is_down = value > upper, value <= lower
        begin = before = now
        for at, held in back:
            if held is None:
                continue
            if before - at > alert.patience or (held > lower if fires else held <= lower):
                break
            if fires or held > upper:
                begin = at
            before = at
        if not fires and is_up and now - begin >= alert.lasts:
            found.append((now, "fires"))
            fires, last = True, i
        elif fires and is_down and now - begin >= alert.clear_for:
            found.append((now, "cleared"))
            fires, last = False, i
    return found


class Watched:
    """Alerts that are looked at, with what is remembered between two looks."""

    def __init__(self, *alerts: Alert) -> None:
        self.alerts = alerts
        self.standings: dict[Key, Standing] = {}
        self.silences: list[Silence] = []
        self.told: list[Published] = []

    def look(self, now: int, **values: float | dict[Labels, float] | None) -> list[str]:
        """What is told at a moment: `firing`, `resolved quietly`."""
        given: dict[str, dict[Labels, float]] = {
            name: held if isinstance(held, dict) else {} if held is None else {(): held}
            for name, held in values.items()
        }
        made = looked(self.alerts, self.standings, given, self.silences, now)
        self.standings |= {one.key: one for one in made.kept}
        for one in made.gone:
            del self.standings[one.key]
        self.told += made.events
        return [
            event.type.removeprefix("alert.") + (" quietly" if event.data["silenced"] else "")
            for event in made.events
        ]


@settings(max_examples=150)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([5, 5, 5, 5, 5, 10, 90, 400]),
            st.sampled_from([None, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 0.0]),
        ),
        max_size=60,
    ),
    lasts=st.sampled_from([0, 5, 12, 30]),
    clear_for=st.sampled_from([0, 5, 12, 30]),
    clear_at=st.sampled_from([0.0, 1.0, 3.0]),
    window=st.sampled_from([10, 300]),
)
def test_alerts_fire_and_are_resolved_as_the_oracle_says(
    steps: list[tuple[int, float | None]], lasts: int, clear_for: int, clear_at: float, window: int
) -> None:
    alert = Alert(
        id="a",
        metric="mplp_dead_letters",
        above=3.0,
        clear_at=clear_at,
        lasts=lasts * S,
        clear_for=clear_for * S,
        window=window * S,
    )
    mirrored = replace(alert, id="b", above=None, below=-3.0, clear_at=-clear_at)
    watched, series, now = Watched(alert, mirrored), [], BEGIN
    for pause, value in steps:
        now += pause * S
        series.append((now, value))
        watched.look(now, a=value, b=None if value is None else -value)

    def heard(name: str) -> list[tuple[int, str]]:
        own = [one for one in watched.told if one.data["id"] == name]
        return [(one.at, one.data.get("why", "fires")) for one in own]

    assert heard("a") == heard("b") == transitions(alert, series)
    assert len({one.id for one in watched.told}) == len(watched.told)


@pytest.mark.parametrize(
    "values",
    [[5, 0], [5, 5, 0, 0], [5, 1], [9, 0, 3, 5, 0, 0, 0]],
    ids=["each look", "every other look", "within the hysteresis", "with holes"],
)
def test_a_series_that_flaps_fires_once(values: list[float]) -> None:
    alert = Alert(id="a", metric="m", above=3, clear_at=2)
    watched = Watched(alert)
    told = [one for n in range(600) for one in watched.look(BEGIN + n * 5 * S, a=values[n % len(values)])]
    assert told == ["firing"]
    told = [one for n in range(600, 700) for one in watched.look(BEGIN + n * 5 * S, a=0)]
    assert told == ["resolved"]


def test_a_silence_ends_on_time_and_what_still_fires_is_told_then() -> None:
    alert = Alert(
        id="disk", metric="m", above=3, clear_at=3, clear_for=0, severity="info", where={"kind": "disk"}
    )
    watched = Watched(alert)
    end = BEGIN + 20 * S
    watched.silences = [
        Silence(
            id="s",
            alert="di*",
            labels={"severity": "info", "kind": "disk"},
            at=BEGIN,
            until=end,
            reason="new",
        )
    ]
    told = [watched.look(BEGIN + n * 5 * S, disk=4) for n in range(8)]
    assert told == [["firing quietly"], [], [], [], ["firing"], [], [], []]
    assert watched.told[0].data["silence"]["reason"] == "new"
    assert "silence" not in watched.told[1].data

    # Whoever was told of the beginning is told of the end.
    watched.silences = [Silence(id="s", at=end, until=end + 3_600 * S)]
    assert watched.look(end + 60 * S, disk=0) == ["resolved"]
    # Nobody hears the end of what they have not heard of, also if the silence is over by then.
    assert watched.look(end + 65 * S, disk=4) == ["firing quietly"]
    assert watched.look(end + 70 * S, disk=0) == ["resolved quietly"]
    assert len({one.id for one in watched.told}) == 5


@pytest.mark.parametrize(
    "labels",
    [{"severity": "critical"}, {"kind": "memory"}, {"team": "x"}],
    ids=lambda labels: next(iter(labels)),
)
def test_a_silence_covers_what_has_all_its_labels(labels: dict[str, str]) -> None:
    watched = Watched(Alert(id="disk", metric="m", above=3, where={"kind": "disk"}))
    watched.silences = [Silence(id="s", labels=labels, at=BEGIN, until=BEGIN + 9 * S)]
    assert watched.look(BEGIN, disk=4) == ["firing"]


def test_series_stand_alone_and_what_is_not_declared_any_more_is_resolved() -> None:
    alert = Alert(
        id="a",
        metric="mplp_steps_total",
        function="increase",
        by=("type",),
        above=2,
        clear_at=2,
        clear_for=0,
        severity="critical",
        message="${alert.labels.type}: ${alert.value} since ${alert.since}",
    )
    watched = Watched(alert)
    shell, http = (("type", "shell"),), (("type", "http"),)
    assert watched.look(BEGIN, a={shell: 3, http: 1}) == ["firing"]
    assert watched.look(BEGIN + 5 * S, a={shell: 3, http: 3}) == ["firing"]
    assert [one.data["message"] for one in watched.told] == [
        "shell: 3 since 2023-11-14T22:13:20.000Z",
        "http: 3 since 2023-11-14T22:13:25.000Z",
    ]
    # What does not happen has happened no times.
    assert watched.look(BEGIN + 10 * S, a={shell: 3}) == ["resolved"]
    assert watched.told[-1].data["labels"] == {"type": "http"}
    watched.alerts = ()
    assert watched.look(BEGIN + 15 * S) == ["resolved"]
    assert (watched.told[-1].data["why"], watched.told[-1].data["severity"]) == ("removed", "critical")
    assert not watched.standings


def test_a_clock_that_is_set_back_makes_nobody_wait_for_long() -> None:
    watched = Watched(Alert(id="a", metric="m", above=3, clear_at=3, lasts=10 * S, clear_for=10 * S))
    watched.look(BEGIN, a=4)
    back = BEGIN - 86_400 * S
    assert [watched.look(back + n * 5 * S, a=4) for n in range(3)] == [[], [], ["firing"]]


# ---- values ------------------------------------------------------------------------------------


def sample(at: int, source: str = "serve:1", **series: object) -> Sample:
    return Sample(source=source, since=BEGIN + (at - 5) * S, at=BEGIN + at * S, **series)  # type: ignore[arg-type]  # by name


OK, BAD = (("status", "completed"), ("type", "set")), (("status", "failed"), ("type", "set"))
HTTP = (("status", "failed"), ("type", "http"))
DISK, CPU = (("kind", "disk"),), (("kind", "cpu"),)
STEPS, USED, TOOK = "mplp_steps_total", "mplp_resource_used", "mplp_step_duration_seconds"
SAMPLES = [
    sample(5, counters={STEPS: {BAD: 100.0}}, gauges={USED: {DISK: 1.0}}),
    sample(10, counters={STEPS: {BAD: 2.0, OK: 7.0}}, gauges={USED: {DISK: 4.0}}),
    sample(15, "run:2", counters={STEPS: {HTTP: 3.0}}, gauges={USED: {DISK: 2.0, CPU: 1.0}}),
    sample(20, histograms={TOOK: {(("type", "set"),): histogram([0.2, 40])}}, gauges={USED: {DISK: 6.0}}),
    sample(20, "machine", gauges={"system_network_io_bytes_total": {(("direction", "receive"),): 1_000.0}}),
    sample(25, "machine", gauges={"system_network_io_bytes_total": {(("direction", "receive"),): 1_600.0}}),
    sample(30, "machine", gauges={"system_network_io_bytes_total": {(("direction", "receive"),): 200.0}}),
]


@pytest.mark.parametrize(
    ("alert", "values"),
    [
        (Alert(id="a", metric=STEPS, function="increase", where={"status": "failed"}), {(): 5.0}),
        (Alert(id="a", metric=STEPS, function="increase", where={"status": "nev*"}), {(): 0.0}),
        (Alert(id="a", metric=STEPS, function="rate"), {(): 0.48}),
        (
            Alert(id="a", metric=STEPS, function="increase", by=("type",), where={"status": "f*"}),
            {(("type", "set"),): 2.0, (("type", "http"),): 3.0},
        ),
        (Alert(id="a", metric=USED), {DISK: 8.0, CPU: 1.0}),
        (Alert(id="a", metric=USED, stale=12 * S), {DISK: 6.0}),
        (Alert(id="a", metric=USED, function="mean", where={"kind": "disk"}), {DISK: 4.0}),
        (Alert(id="a", metric=TOOK, function="mean"), {(): 20.1}),
        (Alert(id="a", metric=TOOK, function="increase"), {(): 2.0}),
        (Alert(id="a", metric=TOOK, function="p99", where={"type": "http"}), {}),
        (Alert(id="a", metric="system_network_io_bytes_total", function="increase"), {(): 800.0}),
        (Alert(id="a", metric="process_cpu_seconds_total", function="rate"), {}),
    ],
)
def test_the_value_of_a_series_is_that_of_its_window(alert: Alert, values: dict[Labels, float]) -> None:
    found = values_of(replace(alert, window=25 * S), SAMPLES, BEGIN + 30 * S)
    assert found == pytest.approx(values)


def test_so_many_events_are_enough() -> None:
    alert = Alert(id="a", event=Match(type="x"), above=3, clear_at=1, window=10 * S, clear_for=0)
    watched = Watched(alert)
    assert [watched.look(BEGIN + n * S, a=value) for n, value in enumerate([2, 3, 2, 1])] == [
        [], ["firing"], [], ["resolved"],
    ]  # fmt: skip
