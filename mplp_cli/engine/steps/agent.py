"""Agent steps: ask an agent, keep in the step's log what it says while it answers, take its answer.

Who is asked, and how, is decided behind `ask`.
"""

from __future__ import annotations

from mplp_cli.engine.capture import Printout
from mplp_cli.engine.workplace import Workplace
from mplp_cli.protocols import Answered, AskAgent, Attempt
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import Json


async def run_agent(attempt: Attempt, *, ask: AskAgent, masker: Masker, workplace: Workplace) -> Json:
    """Run one attempt of an agent step: the answer."""
    return (await ask_aloud(attempt, ask=ask, masker=masker, workplace=workplace)).output


async def ask_aloud(
    attempt: Attempt, *, ask: AskAgent, masker: Masker, workplace: Workplace, several: bool = False
) -> Answered:
    """The answer, masked. What is told on the way is output of the step, masked as well; of `several` answers each
    begins on a line of its own."""
    printout = Printout(workplace.log_dir, masker, attempt)
    remark, ends = "", "\n"

    def tell(text: str) -> None:
        nonlocal ends
        ends = text[-1:] or ends
        printout.feed("stdout", text.encode("utf-8", "replace"))
        printout.flush()  # who follows the log reads an answer while it is given

    try:
        answered = await ask(attempt, tell)
        if several and ends != "\n":
            tell("\n")
        remark = masker.value(answered.remark)
    finally:
        printout.close(remark)
    return Answered(masker.value(answered.output), remark, answered.agent)
