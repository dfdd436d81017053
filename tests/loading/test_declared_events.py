"""What workflows and mplp.yaml declare of events: good, and bad with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode, encode

from mplp_cli.errors import Problem, UsageError
from mplp_cli.loading import load_workflow
from mplp_cli.loading.agents import Beside, Known
from mplp_cli.loading.codes import CODES
from mplp_cli.loading.events import Around
from mplp_cli.loading.schema import settings_schema
from mplp_cli.loading.settings_file import judge_settings, with_events
from mplp_cli.settings import load_settings
from mplp_cli.workflow.events import routes as r
from mplp_cli.workflow.events import rules as c
from mplp_cli.workflow.events import triggers as t
from mplp_cli.workflow.retry import Retry
from tests.loading.samples import ROOT, marked

HEAD = (
    "workflow:\n  id: demo\n  name: Demo\n  version: 1.0.0\n"
    "  inputs: {tag: {type: string}, n: {type: integer, default: 1}}\n"
    "  secrets: [HOOK]\n  steps: [{id: a, type: set, values: {}}]\n"
)


def flow(text: str) -> str:
    return HEAD + "".join(f"  {line}\n" for line in text.splitlines())


def found(text: str, **more: Any) -> list[Problem]:
    beside = Beside(lambda: Known(frozenset({"writer"})), is_program=lambda program, _cwd: program != "nope")
    return load_workflow(
        text.encode(), "flow.yaml", directory="/srv/flows", beside=lambda: beside, **more
    ).problems


def test_triggers_become_types() -> None:
    plan = load_workflow(
        flow(
            """\
triggers:
  - {id: nightly, on: cron, schedule: "0  3 * * MON", timeZone: Europe/Berlin, catch-up: all, inputs: {tag: x}}
  - {id: daily, on: cron, schedule: "@daily", inputs: {tag: x}}
  - {id: tagged, on: event, where: {type: "git.*", where: data.n > 1}, overlap: queue,
     inputs: {tag: "${event.data.name}"}}
  - {id: file, on: file, paths: [in/*.csv, /abs/**], changes: [added], settle: 2s, inputs: {tag: x}}
  - {id: hook, on: webhook, path: push, secret: HOOK, tolerance: 1m, inputs: {tag: x}}
  - {id: up, on: startup, inputs: {tag: x}}
"""
        ).encode(),
        "flow.yaml",
        directory="/srv/flows",
    ).plan
    assert plan is not None
    given = {"tag": "x"}
    assert plan.triggers == (
        t.CronTrigger(
            id="nightly", schedule="0 3 * * MON", time_zone="Europe/Berlin", catch_up="all", inputs=given
        ),
        t.CronTrigger(id="daily", schedule="0 0 * * *", inputs=given),
        t.EventTrigger(
            id="tagged",
            where=r.Match(type="git.*", where="data.n > 1"),
            overlap="queue",
            inputs={"tag": "${event.data.name}"},
        ),
        t.FileTrigger(
            id="file",
            paths=("/srv/flows/in/*.csv", "/abs/**"),
            changes=("added",),
            settle=2_000,
            inputs=given,
        ),
        t.WebhookTrigger(id="hook", name="push", secret="HOOK", tolerance=60_000, inputs=given),
        t.StartupTrigger(id="up", inputs=given),
    )
    assert plan.routing is None


def test_routes_become_types() -> None:
    plan = load_workflow(
        flow(
            """\
events:
  filters: [{id: f, drop: {type: "step.*"}}, {id: g, keep: {source: "mplp/*"}}]
  transformers: [{id: t, match: {type: a}, set: {data: {x: "${event.data.y}"}}}]
  routes:
    - {id: a, target: {file: out/a.jsonl}}
    - {id: b, match: {type: b}, target: {command: [cat], env: {A: b}}, retry-policy: {max-retries: 9}, timeout: 5s}
    - {id: c, target: {webhook: "https://x/y", secret: HOOK, secretHeaders: {X: HOOK}}, ordered: true, atOnce: 2}
    - {id: d, target: {workflow: other.yaml, inputs: {n: "${event.data}"}}}
    - {id: e, target: {agent: writer, input: {x: "${event.id}"}}}
    - {id: h, target: {handler: mine, options: {a: 1}}}
"""
        ).encode(),
        "flow.yaml",
        directory="/srv/flows",
    ).plan
    assert plan is not None
    routing = plan.routing
    assert routing is not None
    assert routing.filters == (
        r.Filter(id="f", rule="drop", match=r.Match(type="step.*")),
        r.Filter(id="g", rule="keep", match=r.Match(source="mplp/*")),
    )
    assert routing.transformers[0].set == {"data": {"x": "${event.data.y}"}}
    assert [route.target for route in routing.routes] == [
        r.FileTarget(path="/srv/flows/out/a.jsonl"),
        r.CommandTarget(command=["cat"], cwd="/srv/flows", env={"A": "b"}),
        r.WebhookTarget(url="https://x/y", secret="HOOK", secret_headers={"X": "HOOK"}),
        r.WorkflowTarget(file="/srv/flows/other.yaml", inputs={"n": "${event.data}"}),
        r.AgentTarget(agent="writer", input={"x": "${event.id}"}),
        r.HandlerTarget(handler="mine", options={"a": 1}),
    ]
    plain, patient, strict = routing.routes[:3]
    assert (plain.match, plain.retry, plain.timeout) == (
        r.Match(),
        Retry(max_retries=3, jitter="full"),
        30_000,
    )
    assert (patient.retry, patient.timeout) == (Retry(max_retries=9, jitter="full"), 5_000)
    assert (strict.ordered, strict.at_once) == (True, 2)


#: A declaration with one problem each: what its columns enclose, its code, and what the message and the hint say.
BAD = [
    ("triggers: {}", "{", "schema-type", "takes a list"),
    ("triggers: [{id: a, on: schedule, inputs: {tag: x}}]", "schedule", "event-trigger", "did you mean `cron`"),
    ("triggers: [{id: a, on: push, inputs: {tag: x}}]", "push", "event-trigger", "did you mean `webhook`"),
    ("triggers: [{id: a, on: manual, inputs: {tag: x}}]", "manual", "event-trigger", "`mplp run` starts"),
    ("triggers: [{id: a, on: 3, inputs: {tag: x}}]", "3", "schema-type", "`on` takes text"),
    ("triggers: [{id: a, inputs: {tag: x}}]", "{", "schema-missing-key", "needs the key `on`"),
    ("triggers: [{id: a, on: startup, tag: x, inputs: {tag: x}}]", "tag", "schema-unknown-key", "has no key `tag`"),
    ("triggers: [{id: a b, on: startup, inputs: {tag: x}}]", "a b", "schema-form", "not a valid id"),
    ('triggers: [{id: a, on: cron, schedule: "61 * * * *", inputs: {tag: x}}]', '"61 * * * *"', "event-schedule",
     "`61` is not the minute of a schedule|0-59"),
    ('triggers: [{id: a, on: cron, schedule: "* * * * FOO", inputs: {tag: x}}]', '"* * * * FOO"', "event-schedule",
     "`FOO` is not the day of the week"),
    ('triggers: [{id: a, on: cron, schedule: "* * * *", inputs: {tag: x}}]', '"* * * *"', "event-schedule",
     "five fields, not 4"),
    ('triggers: [{id: a, on: cron, schedule: "@dayly", inputs: {tag: x}}]', '"@dayly"', "event-schedule", "`@daily`"),
    ('triggers: [{id: a, on: cron, schedule: "@reboot", inputs: {tag: x}}]', '"@reboot"', "event-schedule", "startup"),
    ('triggers: [{id: a, on: cron, schedule: "@daily", timezone: UTC, inputs: {tag: x}}]', "timezone",
     "schema-unknown-key", "did you mean `time-zone`"),
    ('triggers: [{id: a, on: cron, crontab: "@daily", inputs: {tag: x}}]', "crontab", "schema-unknown-key",
     "did you mean `schedule`"),
    ('triggers: [{id: a, on: cron, schedule: "@daily", time-zone: Berlin, inputs: {tag: x}}]', "Berlin",
     "event-time-zone", "did you mean `Europe/Berlin`"),
    ('triggers: [{id: a, on: cron, schedule: "@daily", time-zone: Europe/Berln, inputs: {tag: x}}]', "Europe/Berln",
     "event-time-zone", "did you mean `Europe/Berlin`"),
    ('triggers: [{id: a, on: cron, schedule: "@daily", catch-up: lst, inputs: {tag: x}}]', "lst", "schema-value",
     "did you mean `last`"),
    ("triggers: [{id: a, on: startup, overlap: forbid, inputs: {tag: x}}]", "forbid", "schema-value", "one of: skip"),
    ('triggers: [{id: a, on: event, where: {type: "a b"}, inputs: {tag: x}}]', '"a b"', "rule-event-type",
     "`a b` is not a type of events"),
    ('triggers: [{id: a, on: event, where: {where: "dta.x == 1"}, inputs: {tag: x}}]', '"dta.x == 1"',
     "event-reference", "did you mean `data`"),
    ('triggers: [{id: a, on: event, where: {where: "data.x >"}, inputs: {tag: x}}]', '"data.x >"', "expr-syntax",
     "unexpected end"),
    ('triggers: [{id: a, on: event, where: {}, inputs: {tag: "${inputs.tag}"}}]', '"${inputs.tag}"',
     "event-reference", "`inputs` is not known here"),
    ("triggers: [{id: a, on: event, where: {}, inputs: {tg: x, tag: x}}]", "tg", "event-input", "did you mean `tag`"),
    ("triggers: [{id: a, on: event, where: {}, inputs: {tag: x, n: y}}]", "y", "event-input", "whole number is wanted"),
    ("triggers: [{id: a, on: event, where: {}, inputs: {n: 1}}]", "inputs", "event-input", "needs the input `tag`"),
    ("triggers: [{id: a, on: startup}]", "{", "event-input", "needs the input `tag`"),
    ("triggers: [{id: a, on: webhook, path: x/y, secret: HOOK, inputs: {tag: x}}]", "x/y", "schema-form",
     "not a valid"),
    ('triggers: [{id: a, on: file, paths: ["${inputs.tag}"], inputs: {tag: x}}]', '"${inputs.tag}"', "event-reference",
     "written out"),
    ("events: {route: []}", "route", "schema-unknown-key", "did you mean `routes`"),
    ("events: {correlation-rules: []}", "correlation-rules", "schema-misplaced-key", "mplp.yaml"),
    ("events: {filters: [{id: a}]}", "{", "schema-missing-key", "needs `drop` or `keep`"),
    ("events: {filters: [{id: a, drop: {}, keep: {}}]}", "keep", "schema-conflict", "not several"),
    ('events: {transformers: [{id: a, set: {data: "${evnt.x}"}}]}', '"${evnt.x}"', "event-reference",
     "did you mean `event`"),
    ('events: {transformers: [{id: a, set: {type: "a b"}}]}', '"a b"', "rule-event-type", "not a type"),
    ("events: {routes: [{id: a, target: {}}]}", "{", "schema-missing-key", "where events go"),
    ('events: {routes: [{id: a, target: {url: "https://x"}}]}', "url", "schema-unknown-key", "did you mean `webhook`"),
    ("events: {routes: [{id: a, target: {file: x, handler: y}}]}", "handler", "schema-conflict", "not several"),
    ("events: {routes: [{id: a, target: {file: x, secret: HOOK}}]}", "secret", "schema-unknown-key", "no key `secret`"),
    ('events: {routes: [{id: a, target: {webhook: "ftp://x"}}]}', '"ftp://x"', "rule-url", "begin with https"),
    ('events: {routes: [{id: a, target: {webhook: "https://u:p@x"}}]}', '"https://u:p@x"', "rule-url", "credentials"),
    ('events: {routes: [{id: a, target: {webhook: "https://${env.X}"}}]}', '"https://${env.X}"', "event-reference",
     "written out"),
    ('events: {routes: [{id: a, target: {webhook: "https://x", headers: {A: "${secrets.HOOK}"}}}]}',
     '"${secrets.HOOK}"', "event-reference", "secret-headers"),
    ('events: {routes: [{id: a, target: {webhook: "https://x", headers: {Content-Length: "1"}}}]}', "Content-Length",
     "rule-header", "set by the connection"),
    ('events: {routes: [{id: a, target: {webhook: "https://x", secret-headers: {A: TOKEN}}}]}', "TOKEN",
     "event-secret", "add `TOKEN`"),
    ("events: {routes: [{id: a, target: {agent: writr}}]}", "writr", "event-agent", "did you mean `writer`"),
    ("events: {routes: [{id: a, target: {workflow: none.yaml}}]}", "none.yaml", "event-file", "there is no file"),
    ("events: {routes: [{id: a, target: {command: [nope]}}]}", "nope", "event-command", "not found"),
    ("events: {routes: [{id: a, target: {file: x}, timeout: none}]}", "none", "schema-form", "not a valid duration"),
    ("events: {routes: [{id: a, target: {file: x}, retries: 3}]}", "retries", "schema-unknown-key",
     "did you mean `retry-policy`"),
    ("events: {routes: [{id: a, target: {file: x}}, {id: a, target: {file: y}}]}", "a", "event-duplicate-id",
     "two routes have the id `a`"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "enclosed", "code", "said"), BAD, ids=[line for line, *_ in BAD])
def test_what_is_wrong_is_said_at_its_place(line: str, enclosed: str, code: str, said: str) -> None:
    text = flow(line)
    [problem] = found(text)
    assert (problem.line, problem.code, marked(text, problem)) == (8, code, enclosed)
    for part in said.split("|"):
        assert part in f"{problem.message} {problem.hint}"


def test_what_was_stored_is_not_asked_for_what_is_there_now() -> None:
    text = flow("events: {routes: [{id: a, target: {workflow: gone.yaml}}, {id: b, target: {agent: gone}}]}")
    stored = Beside(stored=True)
    assert load_workflow(text.encode(), "flow.yaml", beside=lambda: stored).problems == []


# ---- mplp.yaml -----------------------------------------------------------------------------------

RULES = """\
events:
  routes:
    - {id: audit, match: {type: "run.*"}, target: {webhook: https://x.example/y, secret: HOOK}}
  correlation-rules:
    - id: many
      type: frequency
      match: {type: login.failed}
      window: 1m
      minimum-events: 5
      key: ${event.data.user}
      lateness: 10s
      actions: [{emit: {type: login.attack, data: "${correlation.key}"}}, {workflow: a.yaml, inputs: {k: 1}}]
    - {id: gap, type: absence, events: [{type: a}, {type: b}], window: 1h}
"""


def test_the_project_declares_routes_and_rules(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text(RULES)
    raw = load_settings(tmp_path)
    assert (raw.events, raw.routing) == (True, None)
    settings = with_events(raw)
    assert settings.routing is not None
    assert settings.routing.routes[0].target == r.WebhookTarget(url="https://x.example/y", secret="HOOK")
    assert settings.correlation_rules == (
        c.CorrelationRule(
            id="many",
            type="frequency",
            events=(r.Match(type="login.failed"),),
            window=60_000,
            minimum_events=5,
            key="${event.data.user}",
            lateness=10_000,
            actions=(
                c.EmitAction(type="login.attack", data="${correlation.key}"),
                c.StartAction(file=str(tmp_path / "a.yaml"), inputs={"k": 1}),
            ),
        ),
        c.CorrelationRule(
            id="gap",
            type="absence",
            events=(r.Match(type="a"), r.Match(type="b")),
            window=3_600_000,
            minimum_events=2,
        ),
    )


RULE = "events: {correlation-rules: [{id: a, "
LISTS = ("filters", "transformers", "routes", "correlation-rules")
BAD_SETTINGS = [
    (RULE + "type: frequency, match: {}, window: 1m}]}", "{", "schema-missing-key", "needs the key `minimum-events`"),
    (RULE + "type: frequency, match: {}, window: 1m, count: 3}]}", "count", "schema-unknown-key",
     "did you mean `minimum-events`"),
    (RULE + "type: frequency, match: {}, window: 1m, minimum-events: 1}]}", "1", "schema-range", "at least 2"),
    (RULE + "type: sequence, match: {}, window: 1m}]}", "match", "event-matches", "at least two matches"),
    (RULE + "type: absence, events: [{}, {}, {}], window: 1m}]}", "events", "event-matches", "two matches"),
    (RULE + "type: join, events: [{}, {}], window: 1m, minimum-events: 2}]}", "minimum-events", "schema-conflict",
     "means nothing"),
    (RULE + "type: join, events: [{}, {}], window: 8d}]}", "8d", "event-window", "longer than 7 days"),
    (RULE + "type: join, events: [{}, {}], window: 1m, lateness: 2m}]}", "2m", "event-window", "shorter"),
    (RULE + "type: join, events: [{}, {}]}]}", "{", "schema-missing-key", "needs the key `window`"),
    (RULE + "type: join, events: [{}, {}], window: 1m, key: user}]}", "user", "event-reference",
     "${event.data.user}"),
    (RULE + 'type: join, events: [{}, {}], window: 1m, actions: [{emit: {type: x, data: "${event.id}"}}]}]}',
     '"${event.id}"', "event-reference", "`correlation` is"),
    (RULE + "type: join, events: [{}, {}], window: 1m, actions: [{}]}]}", "{", "schema-missing-key",
     "needs `emit` or `workflow`"),
    ("retention: {dayz: 3}", "dayz", "schema-unknown-key", "did you mean `days`"),
    ("retension: {days: 3}", "retension", "schema-unknown-key", "did you mean `retention`"),
    ("resources: {cpu: lots}", "resources", "settings-value", "'lots' is not a number"),
    ("agents: [{id: a, kind: moc}]", "moc", "agent-unknown-kind", "mock"),
    ('events: {routes: [{id: a, target: {webhook: "https://x", secret: HOOK}}]}', "HOOK", "event-variable",
     "export HOOK"),
    ("events: {routes: [{id: a, target: {agent: b}}]}", "b", "event-agent", "the agents are a"),
    ("[]", "[", "file-root", "the settings are a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "enclosed", "code", "said"), BAD_SETTINGS, ids=[one for one, *_ in BAD_SETTINGS]
)
def test_what_is_wrong_with_settings_is_said_at_its_place(
    text: str, enclosed: str, code: str, said: str
) -> None:
    around = Around(agents=lambda: ["a"], is_set=lambda name: False)
    problems, _ = judge_settings(
        f"# settings\n{text}\n".encode(), "mplp.yaml", around=around, beside=Beside()
    )
    [problem] = problems
    assert (problem.file, problem.line, problem.code) == ("mplp.yaml", 2, code)
    assert marked(f"\n{text}", problem) == enclosed
    assert said in f"{problem.message} {problem.hint}"


def test_values_of_any_other_type_are_refused_and_nothing_breaks() -> None:
    strange: list[Any] = [None, 3, "x", [], [3], {}, {"id": 3}, {"on": "cron"}, [[]], [{"id": []}]]
    target = {"id": "a", "match": 3, "target": 3}
    rule = {
        "id": 3,
        "events": 3,
        "match": [],
        "window": [],
        "key": 3,
        "actions": [3, {"emit": 3}],
        "type": [3],
    }
    strange += [
        [target],
        [rule],
        [{"id": "a", "drop": 3, "keep": [], "set": 3}],
        [{"on": "cron", "schedule": 3}],
    ]
    strange += [
        [{"on": "file", "paths": {}}],
        [{"on": "webhook", "secret": []}],
        [{"on": "event", "where": "x"}],
    ]
    for value in strange:
        said = encode({"workflow": {"triggers": value, "events": dict.fromkeys(LISTS, value)}})
        assert all(one.line for one in load_workflow(said, "flow.json").problems)
        whole = encode({"events": dict.fromkeys(LISTS, value)})
        assert all(
            one.code in CODES
            for one in judge_settings(whole, "mplp.json", around=Around(), beside=Beside())[0]
        )


def test_settings_that_say_nothing_are_valid() -> None:
    for text in (b"", b"# nothing\n", b"state-dir:\n"):
        assert judge_settings(text, "mplp.yaml", around=Around(), beside=Beside()) == ([], {})


def test_a_command_that_needs_the_events_says_where_they_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text(
        "events:\n  routes:\n    - {id: a, target: {fil: x}}\n    - {id: b}\n"
    )
    with pytest.raises(
        UsageError, match=r"mplp\.yaml:3:24: there is no target `fil` \(and 1 more"
    ) as refused:
        with_events(load_settings(tmp_path))
    assert refused.value.hint is not None
    assert "did you mean `file`" in refused.value.hint


def test_the_schema_of_settings_has_all_that_it_refers_to_and_words_for_editors() -> None:
    import jsonschema

    schema = settings_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for key, held in schema["properties"].items():
        assert "description" in held or "$ref" in held, key
    own = decode((ROOT / "schemas" / "settings.schema.json").read_bytes())
    assert own["$defs"].keys() <= schema["$defs"].keys()
    assert "shell-step" not in schema["$defs"]
