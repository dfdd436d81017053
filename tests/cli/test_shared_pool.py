"""Several `mplp` processes on one state directory share one pool, whatever happens to one of them."""

from __future__ import annotations

import os
import signal

from mplp_cli.clock import SystemClock
from tests.cli.conftest import Terminal, until

SETTINGS = """\
resources:
  cpu: 4
  custom: {llm-slot: 1, tokens: {capacity: 2, per: 1500ms}}
"""

#: Each attempt is alone with the slot, or fails: a directory can be made only once.
ALONE = """\
workflow:
  id: alone
  name: Alone
  version: 1.0.0
  steps:
    - id: each
      type: foreach
      items: [1, 2, 3, 4, 5, 6]
      steps:
        - id: asks
          type: shell
          resources: {custom: {llm-slot: 1}}
          run: mkdir taken && sleep 0.05 && rmdir taken
"""

HOLDS = """\
workflow:
  id: holds
  name: Holds the slot
  version: 1.0.0
  grace: 200ms
  steps:
    - id: held
      type: shell
      resources: {custom: {llm-slot: 1}}
      run: echo "it has it"; exec sleep 600
"""

WANTS = HOLDS.replace("holds", "wants").replace("exec sleep 600", "date +%s.%N > got")

RATE = """\
workflow:
  id: rate
  name: Two in a second and a half
  version: 1.0.0
  steps:
    - {id: a, type: shell, resources: {custom: {tokens: 1}}, run: date +%s.%N}
    - {id: b, type: shell, resources: {custom: {tokens: 1}}, run: date +%s.%N}
  outputs: {at: ["${a.result.output}", "${b.result.output}"]}
"""


def test_two_processes_never_hold_the_one_slot_at_once(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("alone.yaml", ALONE)
    both = [terminal.start("run", "alone.yaml", "--output", "json") for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert terminal.store().shares.all() == []


def test_the_slot_of_a_killed_process_is_free_within_a_second(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("holds.yaml", HOLDS)
    terminal.write("wants.yaml", WANTS)
    holds = terminal.start("run", "holds.yaml", "--output", "json")
    terminal.until_written("it has it")
    wants = terminal.start("run", "wants.yaml", "--output", "json")
    store = terminal.store()
    until(lambda: any(share.wanted for share in store.shares.all()))
    assert not (terminal.directory / "got").exists()
    killed = SystemClock().now() / 1000
    os.kill(holds.pid, signal.SIGKILL)
    assert wants.wait(30) == 0
    assert float((terminal.directory / "got").read_text()) - killed < 1.0
    resumed = terminal.start("resume", "holds", "--output", "json")  # what was lost asks anew
    until(lambda: any(share.held for share in store.shares.all()))
    resumed.send_signal(signal.SIGINT)
    assert resumed.wait(30) == 4
    assert store.shares.all() == []


def test_a_rate_holds_over_processes_and_comes_back_in_its_time(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("rate.yaml", RATE)
    moments: list[float] = []
    for _ in range(2):
        ended = terminal("run", "rate.yaml", "--output", "json")
        assert ended.code == 0
        moments += [float(moment) for moment in ended.document["outputs"]["at"]]
    assert min(moments[2:]) - min(moments[:2]) > 1.4  # one comes back for each that was taken


def test_an_allocation_by_hand_is_not_there_for_steps(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("wants.yaml", WANTS)
    held = terminal("resources", "allocate", "--custom", "llm-slot=1", "--output", "json")
    assert held.code == 0
    wants = terminal.start("run", "wants.yaml", "--output", "json")
    store = terminal.store()
    until(lambda: any(share.wanted for share in store.shares.all()))
    assert not (terminal.directory / "got").exists()
    assert terminal("resources", "release", store.shares.allocations()[0].id).code == 0
    assert wants.wait(30) == 0


def test_a_run_with_a_higher_priority_goes_first(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("holds.yaml", HOLDS.replace("exec sleep 600", "until test -e go; do sleep 0.02; done"))
    for name in ("low", "high"):
        terminal.write(
            f"{name}.yaml",
            WANTS.replace("id: wants", f"id: {name}").replace("date +%s.%N > got", f"echo {name} >> order"),
        )
    holds = terminal.start("run", "holds.yaml", "--output", "json")
    terminal.until_written("it has it")
    store = terminal.store()
    low = terminal.start("run", "low.yaml", "--output", "json")
    until(lambda: sum(1 for share in store.shares.all() if share.wanted) == 1)
    high = terminal.start("run", "high.yaml", "--priority", "5", "--output", "json")
    until(lambda: sum(1 for share in store.shares.all() if share.wanted) == 2)
    terminal.write("go", "")
    assert [process.wait(30) for process in (holds, low, high)] == [0, 0, 0]
    assert (terminal.directory / "order").read_text().split() == ["high", "low"]


def test_a_run_gives_way_between_its_steps_to_one_that_goes_first(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    chain = ALONE.replace("- id: each\n", "- id: each\n      max-parallel: 1\n").replace(
        "1, 2,", "1, 2, 7, 8, 9,"
    )
    terminal.write("chain.yaml", chain.replace("mkdir taken && sleep 0.05 && rmdir taken", STEP_OF_A_CHAIN))
    terminal.write("high.yaml", WANTS.replace("date +%s.%N > got", "echo high >> order"))
    low = terminal.start("run", "chain.yaml", "--output", "json")
    until((terminal.directory / "order").exists)
    high = terminal.start("run", "high.yaml", "--priority", "5", "--output", "json")
    store = terminal.store()
    until(lambda: any(share.wanted for share in store.shares.all()))
    terminal.write("go", "")
    assert [process.wait(30) for process in (high, low)] == [0, 0]
    order = (terminal.directory / "order").read_text().split()
    assert order.index("high") < len(order) - 3


#: Until somebody else waits, the first step of the chain does not end.
STEP_OF_A_CHAIN = "echo low >> order; until test -e go; do sleep 0.02; done; sleep 0.15"


def test_a_step_that_waits_says_for_what_and_who_has_it_and_leaves_the_rest_to_others(
    terminal: Terminal,
) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    terminal.write("wants.yaml", WANTS.replace("custom: {llm-slot: 1}", "cpu: 4, custom: {llm-slot: 1}"))
    terminal.write("beside.yaml", WANTS.replace("wants", "beside").replace("custom: {llm-slot: 1}", "cpu: 4"))
    assert terminal("resources", "allocate", "--custom", "llm-slot=1").code == 0
    wants = terminal.start("run", "wants.yaml", "--output", "json")
    store = terminal.store()
    until(lambda: any(share.yields for share in store.shares.all()))
    by_hand = store.shares.allocations()[0].id
    why = f"1 of llm-slot; allocation {by_hand[:8]} holds it"
    assert (
        terminal("status", "wants", "--output", "json").document["steps"]["held"]["reason"]
        == f"waits for {why}"
    )
    assert why in " ".join(terminal("explain", "wants", "held").out.split())
    assert terminal("run", "beside.yaml", "--output", "json").code == 0
    assert terminal("resources", "release", by_hand).code == 0
    assert wants.wait(30) == 0


def test_a_pool_that_shrank_matters_to_what_is_still_to_start_only(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", SETTINGS)
    steps = "\n".join(
        f"    - {{id: {name}, type: shell, resources: {{custom: {{{kind}: 1}}}}, run: 'test -e fine'}}"
        for name, kind in (("slot", "llm-slot"), ("token", "tokens"))
    )
    steps = steps.replace("test -e fine", "echo", 1).replace("id: token,", "id: token, dependencies: [slot],")
    terminal.write("two.yaml", "workflow:\n  id: two\n  name: T\n  version: 1.0.0\n  steps:\n" + steps + "\n")
    assert terminal("run", "two.yaml", "--output", "json").code == 1
    terminal.write("mplp.yaml", "resources: {custom: {llm-slot: 1}}\n")
    refused = terminal("resume", "two")
    assert refused.code == 1
    assert "1 of tokens where there is 0" in refused.err
    terminal.write("mplp.yaml", "resources: {custom: {tokens: 1}}\n")
    terminal.write("fine", "")
    assert terminal("resume", "two", "--output", "json").code == 0
