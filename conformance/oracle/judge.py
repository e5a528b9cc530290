"""Record in, findings out.

A `Judge` is fed the rows of a record in order, one at a time, live or from a file: the outcome is the same. It
does no I/O and looks at nothing but the rows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Set
from decimal import Decimal
from typing import Any

from conformance.contract import Contract
from conformance.oracle import cancels, crossings, forget, lists, probes, races, reads, room, trades, unavailable
from conformance.oracle.findings import Check, Finding, Suspicion
from conformance.oracle.histories import RaceRecord
from conformance.oracle.ledger import Act, Ledger, Order, State
from conformance.oracle.notes import Notes
from conformance.oracle.silence import Silence
from conformance.oracle.tally import Group, Tally
from conformance.record import Exchange, Footer, Header, Note, Row

# Requirements whose violation ends orders behind the ledger's back.
_EXPLAINS = (
    "cancel.effects.own-orders",
    "cancel.effects.foreign-orders",
    "cancel.refusals.",
    "cancel.identity.",
    "cancel.unavailable.no-effect",
    "cancel.unavailable.restarting",
    "cancel.effects.terminal",
    "cancel.errors.empty-id",
    "cancel.errors.other-methods",
)
# Requirements that another case's request may seem to break.
_TOUCHED_BY_OTHERS = ("cancel.effects.", "cancel.races.", "cancel.refusals.", "cancel.identity.")
# What judges an exchange, by its operation; a note; and a note together with the exchanges of its race.
_EXCHANGES: dict[str, tuple[Callable[[Judge, Exchange], None], ...]] = {
    "cancel_order": (cancels.judge_cancel,),
    "other_method": (cancels.judge_other_method,),
    "other_path": (cancels.judge_other_path,),
    "new_order": (probes.judge_new_order,),
    "query_order": (reads.judge_query,),
    "whose_order": (reads.learn_view,),
    "open_orders": (lists.judge_open_orders, room.judge_clashes),
    "my_trades": (trades.judge_trades,),
    "cancel_all": (probes.take_cancel_all,),
}
_NOTES: dict[str, Callable[[Judge, Note], None]] = {
    "funds": probes.judge_funds,
    "crossing": crossings.note_crossing,
    "persistent": cancels.judge_persistent,
    "unrecovered": unavailable.judge_unrecovered,
    "restart": unavailable.judge_restart,
}
_RACES: dict[str, Callable[[Judge, Note, list[Exchange]], None]] = {
    "race-end": races.judge_race,
    "side-by-side-end": races.judge_side_by_side,
    "burst-end": unavailable.judge_burst,
}
_NAMING = ("cancel_order", "other_method", "query_order")  # requests whose path names an order
_IN_FLIGHT = 64  # requests that may be under way at the same time
_TRIM = 500  # exchanges after which it is looked for what can be forgotten
_RECENT = 4000  # acts that are kept to find out which one changed an order that it did not name


class Judge:
    """Judges a record row by row.

    `ledger` has what each order must look like by now; `observed` what is worth saying without being a violation.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.ledger = Ledger()
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        # what held since somebody last asked for the tallies: how often, by requirements and case
        self._held: defaultdict[tuple[str | tuple[str, ...], str], int] = defaultdict(int)
        self.header: Header | None = None
        self.footer: Footer | None = None
        self.tick = Decimal("0.0001")
        self.quiet = True  # whether nobody else was met in the book
        self.base_path = ""
        self.recent: deque[Act] = deque()
        self._recent_of: defaultdict[str, deque[Act]] = defaultdict(deque)  # the same, by case
        self.unlisted: set[str] = set()
        self.otherwise: set[str] = set()  # fields that queries show otherwise than New Order was told, always
        self.attempted: dict[str, Act] = {}  # by order: the last request of another user that named it
        self.listed: dict[str, set[str]] = {}
        self.listing: dict[str, bool] = {}
        self.missing: dict[str, tuple[int, float]] = {}  # listing that lacks it, and its end
        self.well_listed: dict[str, tuple[int, int]] = {}  # by order: how many fills it had, the listing
        self.misshown: dict[str, lists.Misshown] = {}  # by order: what a later list shows of it
        self.accepted: set[tuple[str, str]] = set()
        self.refused: set[str] = set()
        self.parity: defaultdict[str, dict[str, set[int]]] = defaultdict(dict)
        self.parity_exchanges: dict[tuple[str, str], int] = {}
        self.pending: dict[str, Suspicion] = {}
        self.held_back: dict[int, Check] = {}
        # by case, account and the market that was asked for; by trade
        self.fill_rows: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        # the rows of a span of time as they were listed before, by account and span; most rows of a list, by limit
        self.spans: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.most_rows: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.traded: dict[int, Set[str]] = {}
        self.met: dict[str, Exchange] = {}  # by order: what was to fill against it, and filled
        self.unmet: dict[str, Exchange] = {}  # the same, and did not fill
        self.passed_over: dict[str, Exchange] = {}  # by order that did not fill: what filled against another one
        self.crossing: dict[str, str] = {}  # by case: the order that was canceled where the next order crosses
        self.surprises: dict[str, crossings.Surprise] = {}  # by case: a crossing that filled
        self.rejected: dict[str, list[Exchange]] = {}  # by case: post-only orders that were refused
        self.controls: dict[str, Exchange] = {}  # by case: an order that was accepted before
        # by account: the last order refused as a self-trade, not yet explained, and the last that no list explains
        self.clashes: dict[str, Exchange] = {}
        self.unexplained: dict[str, Exchange] = {}
        self.queries_work = self.queries_fail = False  # of orders that are not canceled
        self.unreadable: dict[str, Exchange] = {}  # by case: a query of a canceled order that fails
        self.races: dict[str, list[Exchange]] = {}
        self.race_log: list[RaceRecord] = []
        self.bursts: list[tuple[str, int, list[int], list[int]]] = []
        self.refused_for_now: set[str] = set()
        self.retired: set[int] = set()  # hashes of the ids of orders that were forgotten
        self.silence = Silence()
        self._fed = 0
        self.answers: dict[int, tuple[str, int | None]] = {}
        self._answers: dict[tuple[str, int | None], tuple[str, int | None]] = {}
        self.notes = Notes()
        self.troubled: set[str] = set()
        self.overlapping = False  # whether cases are under way at the same time
        self.tangled: set[str] = set()  # cases to be carried out again, alone
        self._under_way: set[str] = set()  # cases that have begun and not ended
        self.shaken: set[str] = set()  # those as well, if there are any others
        self.observed: dict[str, str] = {}
        self._fresh: list[Check] = []

    # ------------------------------------------------------------------ in

    def feed(self, row: Row) -> list[Check]:
        """Judge one row; the checks that found something."""
        self._fresh = []
        if isinstance(row, Exchange):
            if row.race is not None:
                self.races.setdefault(row.race, []).append(row)
            else:
                self.silence.add(row, self.base_path)
                self.judge_exchange(row)
            self._fed += 1
            if self._fed % _TRIM == 0:
                forget.trim(self)
                forget.retire(self)
        elif isinstance(row, Note):
            self._note(row)
        elif isinstance(row, Header):
            self.header = row
            self.base_path = row.base_path
        else:
            self.footer = row
        return self._fresh

    def feed_all(self, rows: Iterable[Row]) -> Judge:
        """Judge all rows and finish."""
        for row in rows:
            self.feed(row)
        self.finish()
        return self

    def finish(self) -> list[Check]:
        """What can only be said at the end: findings that waited for more, and whether both credentials agree."""
        self._fresh = []
        for order_id in list(self.pending):
            self.settle(order_id, drop=not self.quiet)
        cancels.judge_parity(self)
        reads.judge_unreadable(self)
        self.silence.judge(self)
        self._drop_after_effects()
        return self._fresh

    def _drop_after_effects(self) -> None:
        """Drop what a mistake elsewhere explains: an order that another request ended is not found later on."""
        if any(t.is_certain() for name, t in self.tallies.items() if name.startswith(_EXPLAINS)):
            for tally in self.tallies.values():
                tally.drop_doubtful()

    def judge_exchange(self, exchange: Exchange) -> None:
        """Judge one exchange as if it were the only one under way, and enter its effect into the ledger."""
        response = exchange.response
        answer = exchange.op, response.status if response else None
        self.answers[exchange.n] = self._answers.setdefault(answer, answer)  # there are few different ones
        if self.retired and self._names_a_retired(exchange):
            return
        for judge in _EXCHANGES.get(exchange.op, ()):
            judge(self, exchange)

    def _names_a_retired(self, exchange: Exchange) -> bool:
        named = cancels.path_id(self, exchange).uuid if exchange.op in _NAMING else None
        return named is not None and hash(named) in self.retired

    def is_under_way(self, case: str) -> bool:
        """Whether a case has begun and not ended."""
        return case in self._under_way

    def _note(self, note: Note) -> None:
        self.notes.add(note)
        if note.what == "market":
            self.tick = Decimal(str(note.data["tick"]))
            self.quiet = bool(note.data.get("quiet", True))
        elif note.what == "lanes":
            self.overlapping = note.data.get("state") == "begin"
        elif note.what == "case-begin":
            self._under_way.add(note.case)
        elif note.what == "case-end":
            self._end_case(note.case)
        elif note.what in ("interrupted", "unsure"):
            # a request may have been carried out that was not recorded, or is not judged
            self._doubt(self.ledger.live())
        elif note.what == "scattered":  # they met each other otherwise than planned
            self._doubt(filter(None, map(self.ledger.get, note.data.get("orders", []))))
        elif note.what == "shrunk":
            begin, end = int(note.data["begin"]), int(note.data["end"])
            for tally in self.tallies.values():
                tally.prefer(note.case, begin, end, str(note.data["story"]))
        elif note.what in _RACES:
            _RACES[note.what](self, note, self.races.pop(str(note.data.get("race")), []))
        elif note.what in _NOTES:
            _NOTES[note.what](self, note)

    @staticmethod
    def _doubt(orders: Iterable[Order]) -> None:
        for order in list(orders):
            if order.state is State.LIVE:
                order.state = State.UNSURE

    def _end_case(self, case: str) -> None:
        self._under_way.discard(case)
        for key in [key for key in self.fill_rows if key[0] == case]:
            del self.fill_rows[key]
        self.rejected.pop(case, None)
        self.surprises.pop(case, None)
        self.controls.pop(case, None)
        for order_id, suspicion in list(self.pending.items()):
            if suspicion.is_of(case):
                self.settle(order_id, drop=not self.quiet)

    # ------------------------------------------------------------------ out

    @property
    def tallies(self) -> defaultdict[str, Tally]:
        """The checks so far, by requirement. To be asked by the thread that feeds rows, or when none does."""
        for (held, case), times in self._held.items():
            for requirement in (held,) if isinstance(held, str) else held:
                self._tallies[requirement].hold(case, times)
        self._held.clear()
        return self._tallies

    # These three may be asked while another thread feeds rows: `list` and `get` see a dict as it is in one moment.

    def is_violated(self, requirement: str) -> bool:
        """Whether that is certain by now."""
        tally = self._tallies.get(requirement)
        return tally is not None and tally.is_certain()

    def groups_of(self, requirement: str) -> list[Group]:
        """What was found of one requirement so far, by kinds."""
        tally = self._tallies.get(requirement)
        return list(tally.groups.values()) if tally is not None else []

    def times_broken(self) -> dict[tuple[str, str], int]:
        """How often each requirement was broken so far, by its id and the kind of finding."""
        return {
            (requirement, key): group.times
            for requirement, tally in list(self._tallies.items())
            for key, group in list(tally.groups.items())
        }

    def held(self, requirement: str | tuple[str, ...], exchange: Exchange) -> None:
        """Say that an exchange could have broken a requirement (or several) and did not."""
        self._held[requirement, exchange.case] += 1

    def broken(
        self,
        requirement: str,
        exchange: Exchange,
        message: str,
        expected: str,
        seen: str,
        **more: Any,
    ) -> Check:
        """Say that an exchange broke a requirement. `more` goes into the finding."""
        check = self._finding(requirement, exchange, message, expected, seen, **more)
        self.add(check)
        return check

    def suspect(
        self,
        order: Order,
        requirement: str,
        exchange: Exchange,
        message: str,
        expected: str,
        seen: str,
        **more: Any,
    ) -> None:
        """As `broken`, unless the order's own trades show that somebody else filled it."""
        check = self._finding(requirement, exchange, message, expected, seen, order=order.id, **more)
        self.put_off(order, check)

    def put_off(self, order: Order, check: Check) -> None:
        """Keep a finding until the own trades tell whether somebody else filled the order."""
        self.pending.setdefault(order.id, Suspicion(order.filled, order.average)).checks.append(check)

    @staticmethod
    def _finding(
        requirement: str, exchange: Exchange, message: str, expected: str, seen: str, **more: Any
    ) -> Check:
        more.setdefault("scheme", exchange.auth.scheme if exchange.auth else None)
        more.setdefault("exchanges", [exchange.n])
        finding = Finding(requirement, message, expected, seen, case=exchange.case, **more)
        return Check(requirement, exchange.n, exchange.case, finding)

    def add(self, check: Check) -> None:
        """Count a check. What other cases under way may have a part in is doubtful."""
        if self.overlapping and check.finding is not None and check.requirement.startswith(_TOUCHED_BY_OTHERS):
            check.finding.doubtful = True
            self.shaken.add(check.case)
        self._tallies[check.requirement].add(check)
        self._fresh.append(check)

    def settle(self, order_id: str, *, drop: bool = False) -> None:
        """Count the findings that waited for a look at the order's trades, or drop them."""
        suspicion = self.pending.pop(order_id, None)
        for check in suspicion.checks if suspicion is not None and not drop else ():
            self.add(check)

    # ------------------------------------------------------------------ acts

    def act(self, exchange: Exchange, requirement: str, order: Order | None) -> None:
        """Remember that an exchange may have changed an order (the one it named, or any)."""
        account = exchange.auth.account if exchange.auth else None
        peak = max(exchange.n, self.recent[-1].peak if self.recent else 0)
        act = Act(exchange.n, exchange.case, account, requirement, peak)
        if order is not None:
            order.acts.append(act)
            if account != order.account:
                self.attempted[order.id] = act
        self.recent.append(act)
        self._recent_of[act.case].append(act)
        if len(self.recent) > _RECENT:
            self._forget_act()

    def _forget_act(self) -> None:
        """Forget the oldest act, which is the oldest of its case as well."""
        case = self.recent.popleft().case
        self._recent_of[case].popleft()
        if not self._recent_of[case]:
            del self._recent_of[case]

    def since(self, n: int, case: str | None = None) -> list[Act]:
        """The recent acts with a number above `n` (of one case), in the order in which they were judged."""
        found = []
        for act in reversed(self.recent if case is None else self._recent_of.get(case, ())):
            if act.peak <= n:
                break  # no earlier one has a higher number either
            if act.n > n:
                found.append(act)
        found.reverse()
        return found

    def blame(self, order: Order) -> list[Act]:
        """The acts that can have changed `order` since it was last seen as it should be.

        Those that named it come first; failing these, those of the case that placed it, while it is under way;
        failing these, all.
        """
        return order.acts or self._around(order)

    def _around(self, order: Order) -> list[Act]:
        # what was done after its case tells as much as what was done in it
        of_its_case = self.since(order.confirmed, order.case) if order.case in self._under_way else []
        return of_its_case or self.since(order.confirmed)

    def suspected(self, order: Order) -> set[str]:
        """The requirements of all acts that can have changed `order`, whether they named it or not."""
        return {self.named_or_spared(act, order) for act in (*order.acts, *self._around(order))}

    def acted_since(self, order: Order) -> bool:
        """Whether requests that did not name `order` could have changed it since it was last seen."""
        return bool(self.since(order.confirmed, order.case))

    def entangled(self, order: Order, exchange: Exchange) -> bool:
        """Whether a change of `order` may be the doing of a case that was under way at the same time.

        Then nothing is concluded: all cases that may have had a part in it are to be carried out again, alone.
        """
        if not self.overlapping:
            return False
        # numbers are given when a request is sent, so one with a smaller number may have been served later
        since = {act.case for act in self.since(order.confirmed - _IN_FLIGHT)}
        others = since - {order.case, exchange.case}
        if others:
            self.tangled |= others | {order.case, exchange.case}
            self.troubled.add(exchange.case)
            order.state = State.UNSURE
        return bool(others)

    def confirm(self, order: Order, exchange: Exchange) -> None:
        """The order is as it should be: all that was done since has not changed it."""
        if order.state is not State.UNSURE:
            acts = order.acts or self.since(order.confirmed, order.case)
            for act in {act.requirement: act for act in reversed(acts)}.values():
                self.held(self.named_or_spared(act, order), exchange)
        order.acts.clear()
        order.confirmed = exchange.n

    def named_or_spared(self, act: Act, order: Order) -> str:
        """The requirement that `act` would have broken by changing `order`."""
        if act.requirement != "cancel.success.open":
            return act.requirement
        return "cancel.effects.own-orders" if act.account == order.account else "cancel.effects.foreign-orders"
