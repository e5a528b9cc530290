"""One sample on one order: filled in, shown, run through the recording proxy, and looked at afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console

from conformance.docs.credentials import credential_of
from conformance.docs.execute import Ended, execute, lacking
from conformance.docs.page import Page
from conformance.docs.parts import Sample
from conformance.docs.proxy import Proxy, Sent, recording_proxy
from conformance.docs.samples import Filled, fill, repair
from conformance.oracle.bodies import is_infrastructure, is_transient
from conformance.oracle.ledger import Order
from conformance.record import Exchange
from conformance.report.text import visible
from conformance.suite.session import Session
from conformance.target.client import Call
from conformance.target.trouble import NotExercised, Trouble, Undecidable

ACCOUNT = "owner"
DRIVER = "docs"
STATES = ("open", "partially filled")


@dataclass
class Outcome:
    """What came of one sample on one order.

    `outcome` is passed, failed, flawed (the sample itself is wrong), undecided or not_exercised.
    """

    title: str
    state: str
    outcome: str = "undecided"
    reason: str = ""
    repairs: tuple[str, ...] = ()
    flaws: list[str] = field(default_factory=list)


class SampleRun:
    """Runs one sample of a page against the session's target. `timeout_s` bounds each run."""

    def __init__(self, session: Session, page: Page, sample: Sample, console: Console, timeout_s: float) -> None:
        self.session, self.page, self.sample = session, page, sample
        self.console, self.timeout_s = console, timeout_s
        self.repaired = repair(sample)
        self._shown = False
        self._clock = ""
        self.flaws: list[str] = []

    def prepared(self, order_id: str, base_url: str) -> Filled:
        """The sample with the owner's credentials, the order and the proxy's address put in."""
        account = self.session.settings.accounts[ACCOUNT]
        secrets = {"jwt": account.jwt, "api_key": account.api_key, "api_secret": account.api_secret}
        values = {"order": order_id, **{role: value for role, value in secrets.items() if value}}
        return fill(self.repaired.code, self.sample.language, values, self.page.base_urls, base_url)

    def case(self, state: str) -> None:
        """Run the sample once on an order in `state`, and collect its flaws; the oracle judges the rest.

        Raises NotExercised, Undecidable or Trouble as a case of the suite does.
        """
        self.flaws, self._clock = [], ""
        if (lack := lacking(self.repaired.code, self.sample.language)) is not None:
            raise NotExercised(lack)
        if self.repaired.broken is not None:
            self.flaws = [f"it cannot work as it is printed: {self.repaired.broken}"]
            return
        wants = self.prepared("00000000-0000-4000-8000-000000000000", "").wants
        venue = self.session.venue
        if wants is not None and wants not in venue.account(ACCOUNT).schemes:
            raise NotExercised(f"the {ACCOUNT} account has no {wants}")
        states = self.session.states
        order = states.open() if state == STATES[0] else states.partially_filled()
        with recording_proxy(self.session.settings.base_path, lambda sent: self._forward(sent, order)) as proxy:
            filled = self.prepared(order.id, proxy.base_url)
            self._check_filled(filled)
            self._show(filled)
            ended = execute(filled.code, self.sample.language, self.timeout_s)
        cancels = [exchange for exchange in proxy.exchanges if exchange.op == "cancel_order"]
        self._look_back(order, cancels)
        self._note_flaws(ended, proxy, cancels)

    def _check_filled(self, filled: Filled) -> None:
        if filled.wants is None:
            raise Undecidable("the sample has no place for a credential that could be told by its name")
        if not filled.has_order:
            raise Undecidable("the sample has no place for the order's id that could be told")

    def _show(self, filled: Filled) -> None:
        if self._shown:
            return
        self._shown = True
        mask = self.session.client.redactor
        self.console.print(f"── {self.sample.title} ({self.sample.language})", markup=False, soft_wrap=True)
        for line in mask.text(filled.code).splitlines():
            self.console.print(f"   │ {visible(line)}", markup=False, soft_wrap=True)
        for text in self.repaired.repairs:
            self.console.print(f"   repaired: {text}", markup=False, soft_wrap=True)
        for text in filled.filled:
            self.console.print(f"   put in: {text}", markup=False, soft_wrap=True)

    def _forward(self, sent: Sent, order: Order) -> Exchange | None:
        """Send on the operation of the page on this order, and reads; anything else could touch other orders."""
        base = self.session.settings.base_path
        if not sent.path.startswith(f"{base}/"):
            return None
        path = sent.path[len(base) :]
        if sent.method == self.page.method and path == f"/spot/orders/{order.id}":
            op = "cancel_order"
        elif sent.method == "GET":
            op = "sample_read"
        else:
            return None
        session = self.session
        account = session.settings.accounts[ACCOUNT]
        clock = session.client.clock
        low, high = clock.interval
        unsure_ms = 250 + round(1000 * max(high - clock.offset, clock.offset - low, 0.0))
        carried = credential_of(sent, account, clock.now_ms(), unsure_ms)
        if carried.wrong and op == "cancel_order":
            # a timestamp that is right by this machine's clock is no mistake of the sample
            by_ours = credential_of(sent, account, time.time_ns() // 1_000_000, unsure_ms)
            if by_ours.wrong:
                self.flaws.append(carried.wrong)
            else:
                self._clock = f"this machine's clock is {-clock.offset:+.1f} s from the target's"
        body = sent.body.decode("utf-8", "replace") if sent.body else None
        call = Call(
            op,
            sent.method,
            path,
            sent.query,
            body,
            sent.forwarded(),
            None,
            carried.auth,
            session.venue.case,
            DRIVER,
        )
        return session.client.send(call)

    def _look_back(self, order: Order, cancels: list[Exchange]) -> None:
        """Look at the order; raises Trouble where what the sample met says nothing about anybody."""
        passing = False
        for exchange in cancels:
            response = exchange.response
            passing |= response is None or is_infrastructure(response) or is_transient(response)
        self.session.venue.look(order)
        if passing:
            raise Trouble("the sample met passing trouble")
        if self._clock:
            raise Undecidable(self._clock)

    def _note_flaws(self, ended: Ended, proxy: Proxy, cancels: list[Exchange]) -> None:
        for sent in proxy.refused[:3]:
            self.flaws.append(
                f"it asks for {sent.method} {sent.path[:120]}, which is not {self.page.method} {self.page.path} on "
                "its order (not sent on)"
            )
        if ended.status is None:
            self.flaws.append(f"it did not end within {self.timeout_s:g} s")
        elif not proxy.sent:
            self.flaws.append(f"it sent nothing, exited with {ended.status} and said: {self._masked(ended.said)}")
        elif not cancels and not proxy.refused:
            self.flaws.append("it sent no cancel")
        done = any(exchange.response and exchange.response.status == 200 for exchange in cancels)
        if done and ended.status:
            said = self._masked(ended.said)
            self.flaws.append(f"it exited with {ended.status} although the order was canceled, and said: {said}")
        self.flaws = list(dict.fromkeys(self.flaws))
        if cancels and not done and not self.flaws:
            # the oracle has judged the answer; what it takes for right here does not show that the sample works
            raise Undecidable("the sample's cancel was not answered with 200")

    def _masked(self, text: str) -> str:
        return visible(self.session.client.redactor.text(text))
