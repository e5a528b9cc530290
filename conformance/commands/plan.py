"""`spot-conformance plan`: what a run would do, found out by doing it to the embedded reference."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.commands.quiet import quiet_venue
from conformance.errors import SuiteError, TargetError
from conformance.oracle.amounts import decimal_of
from conformance.record import Exchange, Footer, Header, read_rows
from conformance.reference.server import start
from conformance.reference.settings import simple_settings
from conformance.suite.lanes import lanes_for
from conformance.suite.session import check_host
from conformance.target.client import Call
from conformance.target.contact import hint_for
from conformance.target.listing import choose_market
from conformance.target.market import Rules
from conformance.target.settings import PREFIX, Settings, load_settings
from conformance.target.trouble import Trouble
from conformance.target.venue import Venue

_SAMPLES = 5
# orders over the whole balance, or far from the market: never placed on a remote target
_LOOPBACK_ONLY = ("funds::", "fields::test_large_fills", "fields::test_average_far_from_the_market")
_SMALLER = (
    "fields::test_large",
    "fields::test_telling_numbers",
    "success::test_after_others_were_refused",
)  # large orders on this machine, small ones elsewhere
_PLAN_LIMIT_S = 900
_OVERLAP = 2.5  # how much quicker a run is where cases overlap; what trades or lists orders does not


@dataclass(frozen=True)
class Plan:
    """What a run sends: counts, the largest order in the quote token, and how long it takes in s.

    `latency_s` is the median answer time that the duration is reckoned with.
    """

    requests: int
    orders: int
    largest: Decimal
    cancel_alls: int
    whole_balance: int
    duration_s: float
    latency_s: float

    def lines(self, settings: Settings) -> list[str]:
        """The plan in a few lines."""
        safety = settings.safety
        minutes = f"{self.duration_s / 60:.0f} minutes" if self.duration_s >= 120 else f"{self.duration_s:.0f} s"
        destructive = []
        if self.cancel_alls:
            destructive.append(f"{self.cancel_alls} cancel-alls (only while the account holds no orders but ours)")
        if self.whole_balance:
            destructive.append(f"{self.whole_balance} orders over up to the whole balance (this machine only)")
        rate = f", {safety.max_requests_per_second:g} requests/s" if safety.max_requests_per_second else ""
        lasting = f", {safety.max_duration_s:g} s" if safety.max_duration_s else ""
        notional = f"{safety.max_notional:f} an order" if safety.max_notional else "no limit on an order's size"
        return [
            f"Plan: about {self.requests:,} requests, {self.orders:,} orders of at most {self.largest:f} each "
            f"(quote token), about {minutes} at {self.latency_s * 1000:.0f} ms an answer",
            f"  destructive: {'; '.join(destructive) or 'nothing'}",
            f"  limits: {safety.max_orders} orders, {notional}{rate}{lasting}",
        ]


def show_plan(options: Mapping[str, Any], console: Console) -> int:
    """Print the plan of a run with these options; 0. Raises SuiteError where the target cannot be asked."""
    flags = {name: options.get(name) for name in ("base_url", "symbol", "allow_trading", "insecure")}
    settings = load_settings(config=options.get("config"), flags=flags)
    for line in plan_lines(settings, options):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def plan_lines(settings: Settings | None, options: Mapping[str, Any]) -> list[str]:
    """The lines of the plan for a target (None: the embedded reference)."""
    rules, latency = measure(settings) if settings is not None else (None, None)
    loopback = settings is None or settings.is_loopback
    plan = dry_run(rules, latency, options, loopback=loopback)
    if latency is not None and settings is not None:
        lanes = lanes_for(latency, settings.safety.max_parallel)
        plan = replace(plan, duration_s=plan.duration_s / min(lanes, _OVERLAP))
    described = settings if settings is not None else Settings("http://127.0.0.1", _nobody())
    rate = described.safety.max_requests_per_second
    if rate and plan.duration_s < plan.requests / rate:
        plan = replace(plan, duration_s=plan.requests / rate)
    return plan.lines(described)


def _nobody() -> Any:
    from conformance.target.settings import Account

    return Account("owner")


def measure(settings: Settings) -> tuple[Rules, float]:
    """The rules of the target's market, and the median time (s) of a plain answer. Places nothing."""
    check_host(settings)
    with quiet_venue(settings) as venue:
        try:
            _choose(venue)
            took = []
            for _ in range(_SAMPLES):
                exchange = venue.settled(Call("markets", "GET", "/spot/markets"), repeatable=True)
                took.append(exchange.end - exchange.start)
        except Trouble as trouble:
            raise TargetError(f"no contact with {settings.base_url}: {trouble}", hint_for(str(trouble))) from None
        return venue.rules, statistics.median(took)


def _choose(venue: Venue) -> None:
    try:
        choose_market(venue)
    except TargetError:
        if venue.closed is None:  # a market that is closed now has rules all the same
            raise


def dry_run(rules: Rules | None, latency: float | None, options: Mapping[str, Any], *, loopback: bool) -> Plan:
    """Run the same cases on the embedded reference with the target's market rules, and count."""
    market: dict[str, Any] = {}
    if rules is not None:
        amounts = {"tick": rules.tick, "lot": rules.lot, "min_notional": rules.min_notional}
        market = {"symbol": rules.symbol, **{name: format(value, "f") for name, value in amounts.items()}}
    with tempfile.TemporaryDirectory() as place:
        try:
            reference = start(simple_settings(**market))
        except (ValueError, RuntimeError) as error:
            message = f"the market's rules cannot be tried on the reference: {error}"
            raise TargetError(message, "choose another --symbol") from None
        with reference as running:
            env = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) and k != "GITHUB_STEP_SUMMARY"}
            for account, secrets in running.announcement.accounts.items():
                env.update({f"{PREFIX}{account.upper()}_{k.upper()}": v for k, v in secrets.items()})
            arguments = ["run", "--base-url", running.announcement.base_url, "--report-dir", place]
            arguments += ["--profile", str(options.get("profile") or "standard")]
            arguments += [f"--only={name}" for name in options.get("only") or ()]
            code = "from conformance.cli import main; main()"
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                env=env,
                cwd=place,
                capture_output=True,
                text=True,
                timeout=_PLAN_LIMIT_S,
            )
        record = Path(place) / "record.ndjson"
        if done.returncode not in (0, 1, 3) or not record.exists():
            lines = done.stderr.strip().splitlines() or ["no word of why"]
            raise SuiteError(f"the dry run failed: {lines[0]}")
        return count(record, latency, loopback=loopback)


def count(record: Path, latency: float | None, *, loopback: bool) -> Plan:
    """Count the exchanges of a record; what is done on this machine only is left out unless `loopback`."""
    counts: Counter[str] = Counter()
    largest, took, span = Decimal(0), [], 0.0
    started = ended = time.time()
    for row in read_rows(record):
        if isinstance(row, Header):
            started = row.started_at
        elif isinstance(row, Footer):
            ended = row.ended_at
        elif isinstance(row, Exchange):
            whole = row.case.startswith(_LOOPBACK_ONLY)
            if whole and not loopback:
                span += row.end - row.start
                continue
            counts[row.op] += 1
            took.append(row.end - row.start)
            if row.op == "new_order":
                counts["whole"] += whole
                if not whole and (loopback or not row.case.startswith(_SMALLER)):
                    largest = max(largest, _notional(row))
    own = statistics.median(took) if took else 0.0
    latency = own if latency is None else latency
    requests = len(took)
    return Plan(
        requests=requests,
        orders=counts["new_order"],
        largest=largest.quantize(Decimal("0.01")) if largest > 1 else largest,
        cancel_alls=counts["cancel_all"],
        whole_balance=counts["whole"],
        duration_s=max(0.0, ended - started - span + requests * (latency - own)),
        latency_s=latency,
    )


def _notional(row: Exchange) -> Decimal:
    order = json.loads(row.request.body or "{}")
    spent = decimal_of(order.get("quote_quantity"))
    price, quantity = decimal_of(order.get("price")), decimal_of(order.get("quantity"))
    return spent or (price or Decimal(0)) * (quantity or Decimal(0))
