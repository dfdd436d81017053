"""What mplp.yaml declares of alerts: good, and bad with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mplp_cli.errors import UsageError
from mplp_cli.loading.agents import Beside
from mplp_cli.loading.codes import CODES
from mplp_cli.loading.events import Around
from mplp_cli.loading.settings_file import judge_settings, with_events
from mplp_cli.settings import load_settings
from mplp_cli.workflow.alerts import Alert
from mplp_cli.workflow.events.routes import Match
from tests.loading.samples import marked

STEPS = "metric: mplp_steps_total, function: increase, above: 3"
TOOK = "metric: mplp_step_duration_seconds, function: p95"


def test_valid_alerts_are_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text(
        "metrics: {interval: 10s}\nalerts:\n"
        "  - id: a\n"
        '    metric: "mplp_steps_total{status=\'failed\', type=\\"*\\"}"\n'
        "    function: increase\n"
        "    by: [type]\n"
        "    above: 3\n"
        "    clearAt: 1\n"
        "    clear_for: 2m\n"
        "    for: 30s\n"
        "    message: ${alert.labels.type} ${alert.labels.status} ${alert.labels.team} ${alert.value}\n"
        "    labels: {team: x}\n"
        "  - {id: b, metric: mplp_dead_letters, below: 2, message: '${alert.labels.route}'}\n"
        "  - {id: c, event: {type: x.*}, count: 3, window: 7d, severity: critical}\n"
    )
    settings = with_events(load_settings(tmp_path))
    assert settings.alerts == (
        Alert(
            id="a",
            metric="mplp_steps_total",
            where={"status": "failed", "type": "*"},
            by=("type",),
            function="increase",
            above=3,
            clear_at=1,
            clear_for=120_000,
            lasts=30_000,
            message="${alert.labels.type} ${alert.labels.status} ${alert.labels.team} ${alert.value}",
            labels={"team": "x"},
            stale=60_000,
        ),
        Alert(
            id="b",
            metric="mplp_dead_letters",
            below=2,
            clear_at=2,
            message="${alert.labels.route}",
            stale=60_000,
        ),
        Alert(
            id="c",
            event=Match(type="x.*"),
            above=3,
            clear_at=2,
            window=604_800_000,
            severity="critical",
            stale=60_000,
        ),
    )
    assert settings.alerts[0].tags == {"status": "failed", "team": "x"}


BAD = [
    ("metric: mplp_steps_totl, function: rate, above: 1", "mplp_steps_totl", "alert-metric", "mplp_steps_total"),
    ("metric: {name: nix}, above: 1", "nix", "alert-metric", "there is no metric"),
    ("metric: 'mplp_dead_letters{a}', above: 1", "'mplp_dead_letters{a}'", "alert-metric", "no label with"),
    ("metric: '{}', above: 1", "'{}'", "alert-metric", "does not name a metric"),
    ('metric: \'mplp_dead_letters{rote="a"}\', above: 1', "'mplp_dead_letters{rote=\"a\"}'", "alert-label",
     "did you mean `route`"),
    ("metric: {name: mplp_dead_letters, labels: {x: y}}, above: 1", "x", "alert-label", "it has route"),
    (f"{STEPS}, by: [typo]", "typo", "alert-label", "did you mean `type`"),
    ("metric: mplp_steps_total, above: 1", "{", "alert-function", "rate, increase"),
    ("metric: mplp_steps_total, function: p95, above: 1", "p95", "alert-function", "it has no p95"),
    ("metric: mplp_dead_letters, by: [route], above: 1", "by", "alert-function", "stands alone"),
    ("metric: mplp_steps_total, function: rate, by: [type], below: 1", "by", "alert-function", "cannot be kept apart"),
    (f"{TOOK}", "{", "alert-threshold", "needs `above` or `below`"),
    (f"{TOOK}, above: 2, below: 1", "below", "schema-conflict", "not both"),
    (f"{TOOK}, below: 0", "0", "alert-threshold", "never"),
    (f"{TOOK}, above: -1", "-1", "alert-threshold", "always"),
    (f"{TOOK}, above: 2, clear-at: 3", "3", "alert-threshold", "at most 2"),
    (f"{TOOK}, below: 2, clear-at: 1.5", "1.5", "alert-threshold", "at least 2"),
    (f"{TOOK}, above: 2, window: 9s", "9s", "alert-window", "every 5.0s"),
    (f"{TOOK}, above: 2, window: 25h", "25h", "alert-window", "24h"),
    (f"{TOOK}, above: 2, count: 3", "count", "schema-conflict", "`increase`"),
    ("metric: mplp_dead_letters, above: 1, window: 5m", "window", "schema-conflict", "mean"),
    ("event: {type: x}, count: 3", "{", "schema-missing-key", "`window`"),
    ("event: {type: x}, window: 1m", "{", "schema-missing-key", "`count`"),
    ("event: {type: x}, count: 3, window: 8d", "8d", "alert-window", "7 days"),
    ("event: {type: x}, count: 3, window: 1m, clear-at: 3", "3", "alert-threshold", "less than 3"),
    ("event: {where: data.}, count: 3, window: 1m", "data.", "expr-syntax", ""),
    ("event: {type: x}, count: 3, window: 1m, above: 2", "above", "schema-conflict", "`count`"),
    (f"{STEPS}, message: '${{alert.valu}}'", "'${alert.valu}'", "event-reference", "`value`"),
    (f"{STEPS}, message: '${{alert.labels.type}}'", "'${alert.labels.type}'", "event-reference", "type"),
    (f"{STEPS}, message: '${{event.id}}'", "'${event.id}'", "event-reference", "`alert` is"),
    (f"{STEPS}, severity: bad", "bad", "schema-value", "warning"),
    (f"{STEPS}, duration: 1m", "duration", "schema-unknown-key", "`for`"),
    ("above: 3", "{", "schema-missing-key", "`metric` or `event`"),
    (f"{STEPS}, event: {{}}", "event", "schema-conflict", "not several"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "enclosed", "code", "said"), BAD, ids=[one for one, *_ in BAD])
def test_what_is_wrong_with_an_alert_is_said_at_its_place(
    text: str, enclosed: str, code: str, said: str
) -> None:
    line = f"alerts: [{{id: a, {text}}}]"
    problems, _ = judge_settings(
        f"# settings\n{line}\n".encode(), "mplp.yaml", around=Around(), beside=Beside()
    )
    [problem] = problems
    assert (problem.line, problem.code) == (2, code)
    assert marked(f"\n{line}", problem).startswith(enclosed)
    assert said in f"{problem.message} {problem.hint}"
    assert code in CODES or not code.startswith("alert-")


def test_two_alerts_have_two_ids_and_measuring_that_is_off_is_told(tmp_path: Path) -> None:
    text = f"metrics: false\nalerts:\n  - {{id: a, {STEPS}}}\n  - {{id: a, {TOOK}, above: 1}}\n"
    problems, _ = judge_settings(text.encode(), "mplp.yaml", around=Around(), beside=Beside())
    assert [(one.line, one.severity, one.code) for one in problems] == [
        (3, "warning", "alert-metric"),
        (4, "error", "event-duplicate-id"),
        (4, "warning", "alert-metric"),
    ]
    (tmp_path / "mplp.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"mplp\.yaml:4:10: two alerts have the id `a`"):
        with_events(load_settings(tmp_path))
