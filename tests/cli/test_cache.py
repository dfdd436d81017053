"""Cached results as somebody at a terminal meets them."""

from __future__ import annotations

from tests.cli.conftest import Terminal

COSTLY = """\
workflow:
  id: costly
  name: Costly
  version: 1.0.0
  inputs: {day: {type: string, default: monday}}
  secrets: [TOKEN]
  steps:
    - id: fetch
      type: shell
      cache: {key: "${inputs.day}", ttl: 1h}
      env: {TOKEN: "${secrets.TOKEN}"}
      run: 'echo again >> log; echo "$TOKEN of ${inputs.day}"'
  outputs: {said: "${fetch.result.output}"}
"""


def test_a_second_run_takes_the_kept_result_and_explain_says_so(terminal: Terminal) -> None:
    terminal.write("costly.yaml", COSTLY)
    terminal.env["TOKEN"] = "hush-hush"
    run = ("run", "costly.yaml", "--output", "json")
    first, second = terminal(*run), terminal(*run)
    assert (terminal.directory / "log").read_text() == "again\n"
    assert second.document["outputs"] == {"said": "*** of monday"}
    one, two = first.document["runId"], second.document["runId"]
    assert second.document["steps"]["fetch"]["reason"] == f"its result was in the cache, from run {one}"
    said = terminal("explain", two, "fetch").out
    assert f"Its result was in the cache: run {one} had stored it" in " ".join(said.split())
    assert "nothing was stored under its key" in " ".join(terminal("explain", one, "fetch").out.split())
    assert "in the cache, from run" in terminal("status", two).out
    assert b"hush-hush" not in (terminal.directory / ".mplp" / "state.db").read_bytes()


def test_no_cache_does_the_work_again_and_keeps_what_comes_of_it(terminal: Terminal) -> None:
    terminal.write("costly.yaml", COSTLY)
    terminal.env["TOKEN"] = "hush-hush"
    terminal("run", "costly.yaml")
    again = terminal("run", "costly.yaml", "--no-cache", "-o", "json").document
    assert (terminal.directory / "log").read_text() == "again\nagain\n"
    assert terminal("explain", again["runId"], "fetch", "-o", "json").document["cache"] == {
        "hit": False,
        "why": "off",
    }
    third = terminal("run", "costly.yaml", "-o", "json").document
    assert third["steps"]["fetch"]["reason"].endswith(again["runId"])


def test_prune_deletes_results_with_their_age(terminal: Terminal) -> None:
    terminal.write("costly.yaml", COSTLY)
    terminal.env["TOKEN"] = "hush-hush"
    terminal("run", "costly.yaml")
    prune = ("runs", "prune", "--keep-days", "0", "--yes")
    looked = terminal(*prune, "--dry-run")
    assert looked.out.splitlines()[-3:-1] == [
        "1 run would be deleted, 0 kept",
        "1 cached result would be deleted",
    ]
    assert terminal(*prune, "-o", "json").document["cachedResults"] == 1
    terminal("run", "costly.yaml")
    assert (terminal.directory / "log").read_text() == "again\nagain\n"
