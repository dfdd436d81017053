"""A run as a page and as a picture, a graph in four notations: whole, small, and deaf to whatever names say."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from mplp_cli.errors import Failure
from mplp_cli.loading import load_workflow
from mplp_cli.observe.graph import Graph, graph_of
from mplp_cli.render.report.boxes import boxes_of
from mplp_cli.render.report.dot import dot
from mplp_cli.render.report.gathered import Reported, gathered
from mplp_cli.render.report.mermaid import mermaid
from mplp_cli.render.report.page import page
from mplp_cli.render.report.palette import COLOURS, STATUS, TEXT, contrast
from mplp_cli.render.report.sheet import graph_sheet, run_sheet
from mplp_cli.render.report.words import given_text
from mplp_cli.render.theme import PLAIN, STATUS_STYLE, Theme
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.revision.telling import replay
from tests.render.browser import axe_path, browser, browser_path, open_page
from tests.render.fakes import NOON, make_plan, step

HOSTILE = (
    "</title></style><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)><svg/onload=alert(3)>",
    "javascript:alert(4) {{ 7*7 }} {% raw %} ${x}",
    "\u202e\u2066bidi\u200b \x1b[31mred\x00\x07\x9b]0;x\x07 \ud800 \ufffe",
    "]]> --> <!-- &amp; &#60; <![CDATA[ ",
    'a"]; n1 --> n2; click n1 "javascript:alert(5)"\nend\nsubgraph x %%{init: {}}%% `**b**`',
    '\\N \\L \\" ]; evil [label=<<b>x</b>>] -- \\',
    "x" * 1_000_000,
)
WORKFLOW = """\
workflow:
  id: release
  name: Release
  version: 1.2.0
  max-parallel: 2
  inputs: {tag: {type: string, default: v1}, token: {type: string, default: t}}
  steps:
    - {id: fetch, type: shell, run: x}
    - id: checks
      type: parallel
      dependencies: [fetch]
      steps:
        - {id: lint, type: shell, run: x, resources: {memory: 64MiB}}
        - {id: build, type: shell, run: x, retry-policy: {max-retries: 1}}
    - {id: tell, type: emit, event: {type: it.is.built}, dependencies: [checks]}
    - {id: sign, type: approval, message: Publish?, dependencies: [fetch]}
    - {id: deploy, type: shell, run: x, dependencies: [tell, sign]}
  finally:
    - {id: tidy, type: set, values: {}}
"""


def release() -> tuple[Plan, list[h.Event]]:
    loaded = load_workflow(WORKFLOW.encode(), "release.yaml")
    assert loaded.plan is not None, loaded.problems
    t = NOON
    bad = Failure(type="ShellExitError", message="exit code 3: no rights")
    used = Usage(cpu_ms=800, peak_memory=40 << 20)
    asked = h.Approval(id="q", message="Publish?", approvers=["ann"], own=True)
    spent = h.Used(calls=1, input_tokens=900, output_tokens=100, nano_usd=12_000_000, time=700)
    return loaded.plan, [
        h.RunStarted(t, "3f2a91bc", "release", {"tag": "v2", "token": "hunter22"}, {}, "/", 2),
        h.StepStarted(t + 100, "fetch", 1),
        h.StepCompleted(t + 1_100, "fetch", 1, {}, usage=used),
        h.StepStarted(t + 1_100, "checks", 1),
        h.StepStarted(t + 1_200, "lint", 1),
        h.StepStarted(t + 1_200, "build", 1),
        h.StepWaiting(t + 1_200, "sign", 1, approval=asked),
        h.AgentAsked(t + 1_500, "lint", 1, "critic", spent, model="m-1"),
        h.StepRetrying(t + 2_000, "build", 1, bad, 500, t + 2_500, usage=used),
        h.StepCompleted(t + 2_200, "lint", 1, {}),
        h.StepRetryDue(t + 2_500, "build"),
        h.StepStarted(t + 2_500, "build", 2),
        h.StepCompleted(t + 3_000, "build", 2, {}, usage=used),
        h.StepCompleted(t + 3_000, "checks", 1, []),
        h.StepEmitted(t + 3_000, "tell", 1, Published(id="e1", type="it.is.built", source="x", at=t + 3_000)),
        h.StepCompleted(t + 3_000, "tell", 1, {}),
        h.StepDecided(t + 90_000, "sign", "approved", by="ann", reason="fine"),
        h.StepCompleted(t + 90_000, "sign", 1, {"by": "ann"}),
        h.StepStarted(t + 90_100, "deploy", 1),
        h.StepFailed(t + 91_000, "deploy", 1, bad),
        h.RunFinalizing(t + 91_000, "failed", error=bad),
        h.StepCompleted(t + 91_000, "tidy", 1, {}),
        h.RunFailed(t + 91_000, bad),
    ]


def told(plan: Plan, facts: list[h.Event], cause: Cause | None = None) -> Reported:
    state = replay(RunState(plan), facts)
    return gathered(
        plan,
        state,
        facts,
        status=state.status,
        now=facts[-1].at,
        wrote=lambda step, attempt: ["no rights"],
        cause=cause,
    )


@pytest.fixture(scope="module")
def report() -> Reported:
    return told(*release(), cause=Cause(by="trigger:nightly", event="018f"))


def hostile(names: tuple[str, ...] = HOSTILE) -> Reported:
    """A run in which everything that can be named is named so."""
    plan = make_plan(*(step(name) for name in names), workflow_id=names[0])
    plan = replace(plan, workflow=replace(plan.workflow, name=names[1], version=names[3]))
    facts: list[h.Event] = [
        h.RunStarted(NOON, "r1", plan.workflow.id, dict.fromkeys(names[:6], names[6]), {}, "/", 2)
    ]
    for name in names:
        error = Failure(type=name[:90], message=f"{name}\n{name[:90]}")
        facts += [h.StepStarted(NOON, name, 1), h.StepFailed(NOON + 900, name, 1, error)]
    facts.append(h.RunFailed(NOON + 1_000, Failure(type="E", message=names[2]), warnings=list(names)))
    state = replay(RunState(plan), facts)
    return gathered(
        plan,
        state,
        facts,
        status="failed",
        now=NOON,
        cause=Cause(by=names[0], event=names[5]),
        wrote=lambda *_: names,
    )


# ---- readers


class Read(HTMLParser):
    """Reads a page, minds that its elements are closed in their order, and keeps what is in it."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "base"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


ALLOWED = frozenset(
    (
        "html head meta title link style body a header h1 h2 h3 p span dl dt dd nav ul ol li main section details"
        " summary pre div table caption thead tbody tr th td figure figcaption footer"
        " svg g defs pattern rect circle path line text desc"
    ).split()
)


def check_quiet(tags: list[tuple[str, dict[str, str | None]]]) -> None:
    """Nothing that runs, loads or leads anywhere."""
    assert {tag for tag, _ in tags} <= ALLOWED
    for tag, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "src", "srcset", "action", "xlink:href", "srcdoc"}, (tag, name)
            if name == "href":
                assert value is not None
                assert value.startswith("#") or value == "data:,", value


def check_style(text: str) -> None:
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {"#hatch", "#dots"}


def svg_tags(text: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    for element in ET.fromstring(text).iter():
        yield element.tag.removeprefix("{http://www.w3.org/2000/svg}"), dict(element.attrib)
        if element.tag.endswith("}style"):
            check_style(element.text or "")


# ---- the page


def test_the_page_says_all_of_it(report: Reported) -> None:
    read = Read(page(report, NOON))
    text = " ".join(" ".join(read.text).split())
    for said in (
        "Release ✗ failed after 1m31s",
        "trigger nightly, event 018f",
        "Input token ***",
        "deploy: ShellExitError exit code 3: no rights",
        "Its join rule `all-completed` was met",
        "no rights",
        "The end waited for the critical path: fetch, sign, deploy, tidy.",
        "an attempt, failed",
        "waited for a person",
        "1m27s without work, drawn short",
        "memory, held at most 64MiB",
        "slots taken at most 2 of 2",
        "approved by ann: fine",
        "critic m-1 1 900 100 1,000 0.7s $0.0120",
        "it.is.built",
    ):
        assert said in text, said
    assert "hunter22" not in text


def test_the_page_loads_nothing_and_allows_nothing_but_its_own_style(report: Reported) -> None:
    text = page(report, NOON)
    read = Read(text)
    check_quiet(read.tags)
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    check_style(style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = [a["content"] for t, a in read.tags if t == "meta" and a.get("http-equiv")]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_page_can_be_found_through_without_seeing_it(report: Reported) -> None:
    tags = Read(page(report, NOON)).tags
    assert ("html", {"lang": "en"}) in tags
    names = [tag for tag, _ in tags]
    assert {"header", "nav", "main", "footer"} <= set(names)
    assert names.count("h1") == names.count("main") == 1
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for t, a in tags if t == "a" and a["href"]} <= set(ids)
    for tag, attributes in tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        if tag == "section":
            assert attributes["aria-labelledby"] in ids
        if attributes.get("class", "") == "scroll":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_stands_out(dark: bool) -> None:
    shown = {name: pair[dark] for name, pair in COLOURS.items()}
    for ground in ("paper", "card"):
        for name in TEXT:
            assert contrast(shown[name], shown[ground]) >= 4.5, (name, ground)
    assert set(STATUS.values()) <= set(TEXT)
    assert set(STATUS) <= set(STATUS_STYLE)
    assert (
        len({PLAIN.glyph(status) for status in ("completed", "failed", "skipped", "omitted", "cancelled")})
        == 5
    )
    assert round(contrast("#ffffff", "#000000"), 1) == 21.0


# ---- hostile text


def test_hostile_text_stays_text_on_the_page() -> None:
    one = hostile()
    text = page(one, NOON)
    read = Read(text)
    check_quiet(read.tags)
    said = "".join(read.text)
    assert "</title></style><script>alert(1)</script>" in said
    assert "{{ 7*7 }}" in said
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff\ufffe]", text
    )
    assert len(text) < 200_000  # texts of a million characters are cut


def test_hostile_text_stays_text_in_the_picture() -> None:
    one = hostile()
    for text in (run_sheet(one, NOON), graph_sheet(one.graph, HOSTILE[0])):
        check_quiet(list(svg_tags(text)))
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert len(text) < 200_000


def test_hostile_text_stays_a_label_in_the_graphs() -> None:
    graph = hostile().graph
    label = r'"(?:[\w .,:_()/+-]|#\d+;|<br/>)*"'
    for line in mermaid(graph).splitlines():
        assert re.fullmatch(rf"flowchart TD|  n\d+\[{label}\]:::\w+|  classDef \w+ [\w#:,\- ]+", line), line
    quoted = r'"(?:[^"\\]|\\\\|\\"|\\n)*"'
    for line in dot(graph, HOSTILE[6]).splitlines()[4:-1]:
        assert re.fullmatch(rf'  n\d+ \[label={quoted} color="#\w+" fontcolor="#\w+" penwidth=2\];', line), (
            line
        )
    assert all("\x1b" not in line and "\u202e" not in line for line in boxes_of(graph, PLAIN))
    assert "".join(boxes_of(graph, Theme(unicode=False))).isascii()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not here")
@pytest.mark.parametrize("which", ["release", "hostile"])
def test_graphviz_reads_the_graph(which: str, report: Reported) -> None:
    graph = report.graph if which == "release" else hostile().graph
    done = subprocess.run(
        ["dot", "-Tplain"], input=dot(graph, "x"), capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nnode ") == sum(node.inside is None for node in graph.every())


def test_inputs_with_secrets_are_masked() -> None:
    given = {
        "db-password": "x",
        "list": [{"apiKey": "k", "n": 1}],
        "open": "the key is s3cr3t-value",
        "marked": "m",
    }
    shown = dict(given_text(given, {"marked": {"writeOnly": True}}, Masker({"A": "s3cr3t-value"})))
    assert shown == {
        "db-password": "***",
        "list": '[{"apiKey":"***","n":1}]',
        "open": '"the key is ***"',
        "marked": "***",
    }


# ---- how much


def test_a_run_of_2_000_steps_stays_small_and_shows_every_failure() -> None:
    names = [f"step-{n}" for n in range(2_000)]
    plan = make_plan(*(step(name, needs=(n - 7,) if n >= 7 else ()) for n, name in enumerate(names)))
    facts: list[h.Event] = [h.RunStarted(NOON, "r1", "release", {}, {}, "/", 8)]
    bad = Failure(type="ShellExitError", message="exit code 3: " + "why " * 400)
    failed = [name for n, name in enumerate(names) if n % 10 == 3 or n > 1_800]
    for n, name in enumerate(names):
        facts.append(h.StepStarted(NOON + n * 10, name, 1))
        ended = NOON + n * 10 + 60
        facts.append(
            h.StepFailed(ended, name, 1, bad) if name in failed else h.StepCompleted(ended, name, 1, {})
        )
    state = replay(RunState(plan), facts)
    # The plan is given up: what these steps need would have kept them from running.
    one = gathered(None, state, facts, status="failed", now=facts[-1].at)
    text = page(one, NOON)
    assert len(text.encode()) < 3_000_000
    said = set(Read(text).text)
    assert set(failed) <= {word.strip() for part in said for word in part.split(":")}
    assert sum(row.status == "failed" for row in one.rows) == len(failed)
    assert sum(row.steps for row in one.rows) == 2_000
    assert len(run_sheet(one, NOON).encode()) < 3_000_000


# ---- how it looks


def test_the_graph_in_characters(report: Reported, snapshot: SnapshotAssertion) -> None:
    lines = boxes_of(report.graph, PLAIN)
    assert max(map(len, lines)) <= 80
    assert "\n".join(lines) == snapshot


def test_the_graph_in_mermaid_and_dot(report: Reported, snapshot: SnapshotAssertion) -> None:
    assert mermaid(report.graph) == snapshot(name="mermaid")
    assert dot(report.graph, "release") == snapshot(name="dot")


def test_a_graph_without_a_run_has_no_statuses() -> None:
    plan, _ = release()
    for text in (
        mermaid(graph_of(plan)),
        dot(graph_of(plan), "x"),
        "\n".join(boxes_of(graph_of(plan), PLAIN)),
    ):
        assert not re.search("completed|pending|✓", text)
    assert boxes_of(Graph(), PLAIN) == []


def test_a_picture_is_whole_and_describes_itself(report: Reported) -> None:
    tags = list(svg_tags(run_sheet(report, NOON)))
    check_quiet(tags)
    assert [tag for tag, _ in tags[:3]] == ["svg", "title", "desc"]
    assert tags[0][1]["aria-labelledby"] == "title desc"


# ---- in a browser


@pytest.mark.skipif(browser_path() is None, reason="there is no Chromium here")
def test_a_browser_shows_the_page_and_is_asked_for_nothing(tmp_path: Path, report: Reported) -> None:
    pages = {"release": page(report, NOON), "hostile": page(hostile(), NOON)}
    for name, text in pages.items():
        (tmp_path / f"{name}.html").write_text(text, "utf-8")
    axe = axe_path()
    with browser(tmp_path / "home") as talk:
        for name, width, scheme in (
            ("release", 1280, "light"),
            ("release", 390, "dark"),
            ("hostile", 390, "light"),
        ):
            shown = open_page(talk)
            shown.show(tmp_path / f"{name}.html", width, scheme=scheme)
            assert shown.run("document.documentElement.scrollWidth") <= width
            assert shown.run("getComputedStyle(document.body).maxWidth") != "none"  # its style is allowed
            if axe is not None:
                shown.run(f"{axe.read_text('utf-8')};1")
                found = shown.run("axe.run().then(told => told.violations.map(one => [one.id, one.impact]))")
                assert [one for one in found if one[1] in ("serious", "critical")] == []
            assert (shown.requests, shown.complaints) == ([], [])
