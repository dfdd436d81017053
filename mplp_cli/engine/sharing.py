"""The share that a run has of the pool, kept in step with what other runs hold."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from mplp_cli.protocols import Clock, Shares
from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.resources import Amounts, Demand, Pool, Share, in_use, kept_from, placed
from mplp_cli.workflow.shortage import shortage
from mplp_cli.workflow.values import RunId


class Sharing:
    """The room of one run among the runs of all processes.

    It asks for more in a transaction of its own, before the attempts begin that need it; what it does not need any
    more is given back in the commit of the facts that say so. What one attempt leaves the next may use without
    asking anybody. While steps of this run wait, and nobody else is there, what attempts leave is kept until the
    next look but one: the next step may need a little more of it than was held last.
    """

    def __init__(
        self,
        pool: Pool,
        shares: Shares,
        clock: Clock,
        run: RunId,
        *,
        priority: int,
        since: int,
        end_lost: Callable[[RunId], None],
    ) -> None:
        self._pool, self._shares, self._clock, self._end_lost = pool, shares, clock, end_lost
        self.room = Room(pool, clock.now)
        self._stored = Share(run=run, priority=priority, since=since)
        #: What is stored, never less than what is held; and the most that was held since the last look.
        self._columns = self.room.stock.held()
        self._most = self._columns
        #: The run pauses, and starts nothing.
        self.rests = False
        for own in [share for share in shares.all() if share.run == run]:
            self.room.stock.spend(own.spent)
            self._stored = structs.replace(self._stored, spent=own.spent)
            if own.has_place:  # a process held it that is gone, and so is by now whatever it had left running
                shares.take(pool, self._stored)
        #: Shares of others as they were when somebody last looked.
        self._others: list[Share] = []
        self.look()

    def look(self) -> bool:
        """Look what others hold by now, and what has come back of rates. Whether there may be more room than before."""
        if self.room.waits and self._others:
            self._shares.reap(self._end_lost)
        others = self._shares.others(self._stored.run)
        if others is not None:
            self._others = list(others)
        back = self.room.stock.restore()
        changed = others is not None or back or any(share.spent for share in self._others)
        if changed:
            self._beside()
        self._announce()
        return changed

    def due(self) -> float | None:
        """In how many seconds something of a rate comes back, if somebody waits."""
        now, own = self._clock.now(), self.room.stock.next_back()
        moments = [until for share in self._others for *_, until in share.spent if until > now]
        if not self.room.waits or (own is None and not moments):
            return None
        return max(min([*moments, *([] if own is None else [own])]) - now, 1) / 1000

    def _announce(self) -> None:
        """Say what is waited for, so that those behind leave it; and give back what has been kept for too long."""
        wanted, yields = self._wanted()
        now_held = self.room.stock.held()
        columns = now_held
        if self._keeps:
            columns = list(map(min, self._columns, self._most))
        self._most = now_held
        if (columns, wanted, yields) != (self._columns, self._stored.wanted, self._stored.yields):
            held = self.room.stock.amounts(columns)
            share = structs.replace(self._stored, held=held, wanted=wanted, yields=yields)
            if self._shares.take(self._pool, share) is None:
                self._columns, self._stored = columns, share

    def grant(self) -> bool:
        """Have what the steps that are about to begin need. False: others have been faster."""
        stock = self.room.stock
        if not self._stored.spent and stock.within(self._most) and stock.within(self._columns):
            return True
        now_held, spent = stock.held(), stock.spent()
        self._most = list(map(max, now_held, self._most))
        columns = list(map(max, now_held, self._columns))
        if columns == self._columns and spent == self._stored.spent:
            return True
        wanted, yields = self._wanted()
        held = self.room.stock.amounts(columns)
        share = structs.replace(self._stored, held=held, spent=spent, wanted=wanted, yields=yields)
        others = self._shares.take(self._pool, share)
        if others is not None:
            self._others = list(others)
            self._beside()
            return False
        self._columns, self._stored = columns, share
        return True

    def lessened(self) -> Share | None:
        """The share to be stored with the next commit, and to be `kept` after it; None: it is as it was."""
        columns = self._columns if self._keeps else self.room.stock.held()
        wanted, yields = self._wanted()
        if columns == self._columns and (wanted, yields) == (self._stored.wanted, self._stored.yields):
            return None
        held = self.room.stock.amounts(columns)
        spent = self.room.stock.spent()
        return structs.replace(self._stored, held=held, spent=spent, wanted=wanted, yields=yields)

    def kept(self, share: Share | None) -> None:
        """The share is stored."""
        if share is not None:
            self._columns = self._columns if self._keeps else self.room.stock.held()
            self._stored = share

    @property
    def _keeps(self) -> bool:
        """Whether what attempts leave stays stored for a while."""
        return self.room.waits and not self._others and not self.rests

    @property
    def alert(self) -> bool:
        """Whether to look often: others hold something of the pool, or more is stored than is held."""
        return bool(self._others) or self._columns != self.room.stock.held()

    def _wanted(self) -> tuple[Amounts, bool]:
        """What it waits for: nothing if there are no others, or as long as it would not take it; and whether the
        others may have it first.

        Who waits for what is held by hand keeps nothing from the others: nobody knows when that comes back.
        """
        first = self.room.first
        if first is None or not self._others or self.rests:
            return {}, False
        by_hand = in_use([share for share in self._others if share.by_hand], (), self._clock.now())
        return self.room.wanted(), placed(self._pool, by_hand, first) is None

    def shortage(self, demand: Demand) -> str:
        """What of it there is no room for now, and who holds that; see `shortage`."""
        own = structs.replace(self._stored, held=self.room.stock.amounts(self.room.stock.held()))
        own = structs.replace(own, spent=self.room.stock.spent())
        return shortage(self._pool, demand, own.run, [own, *self._others], self._clock.now())

    def _beside(self) -> None:
        """What others hold is not there, nor what those who go first wait for."""
        self.room.stock.beside(kept_from(self._stored, self._others, self._clock.now()))
