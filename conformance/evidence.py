"""What shows a finding: its exchanges as a sequence, and a bash script that does it again."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from conformance.oracle.findings import Finding
from conformance.record import Exchange, Header, Row
from conformance.report.result import Step

_SHOWN = 4000  # characters of a body that a report shows
_MOST = 60  # exchanges that a report shows of one finding
_PROVISION = ("new_order", "markets", "health")
_LOOK = ("query_order", "open_orders", "my_trades")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EARLIER = "aged::provide"  # where orders are placed for cases that come later


class Evidence:
    """The exchanges behind a run's findings. `rows` gives the record's rows anew each time that it is called."""

    def __init__(self, rows: Callable[[], Iterable[Row]], findings: Iterable[Finding]) -> None:
        wanted, cases = set[int](), set[str]()
        for finding in findings:
            wanted.update(finding.exchanges)
            cases.add(finding.case)
        self._cases: dict[int, str] = {}
        self._exchanges: defaultdict[str, list[Exchange]] = defaultdict(list)
        if not wanted:
            return
        self._cases = {row.n: row.case for row in rows() if isinstance(row, Exchange) and row.n in wanted}
        cases.update(self._cases.values(), [_EARLIER])
        for row in rows():
            if isinstance(row, Exchange) and row.case in cases:
                self._exchanges[row.case].append(row)

    def of(self, finding: Finding) -> list[Exchange]:
        """All exchanges of the cases that a finding touches, in the order in which they were sent."""
        cases = {finding.case, _EARLIER, *(self._cases.get(n, "") for n in finding.exchanges)}
        return sorted((x for case in cases for x in self._exchanges.get(case, [])), key=lambda x: x.n)


def relevant(exchanges: Sequence[Exchange], finding: Finding) -> list[Exchange]:
    """The exchanges up to the finding that have to do with it; at most sixty.

    All of its case since that last started over, and of other cases (and of a long one) those about its orders.
    """
    last = max(finding.exchanges, default=0)
    upto = [x for x in exchanges if x.n <= last]
    asked = {x.n for x in upto} & set(finding.exchanges)
    begin = _last_start(x for x in upto if x.case == finding.case)
    own = {x.n for x in upto if x.case == finding.case and x.n > begin}
    start = [text for x in upto if x.n in asked for text in (x.request.target, x.request.body or "")]
    if len(own) <= _MOST:
        start += [x.request.target for x in upto if x.n in own]
    else:
        own = set()
    orders = _related(upto, {*order_ids(" ".join(start)), *([finding.order] if finding.order else [])})
    chosen = [x for x in upto if x.n in asked or x.n in own or _about(x, orders)]
    if not orders and not own:
        chosen = upto  # about no order in particular: what came last is what led to it
    places = [x for x in chosen if _placed(x) in orders]
    first_of_last = chosen[-_MOST].n if len(chosen) > _MOST else 0
    kept = {x.n for x in places[-_MOST // 2 :]} if first_of_last else set()
    return [x for x in chosen if x.n >= first_of_last or x.n in kept or x.n in asked]


def _last_start(exchanges: Iterable[Exchange]) -> int:
    """The number of the last exchange before a case last started over: it cleans up before it does."""
    begin, cleaned = 0, 0
    for x in exchanges:
        if x.driver == "cleanup":
            cleaned = x.n
        elif cleaned:
            begin, cleaned = cleaned, 0
    return begin


def _related(exchanges: Sequence[Exchange], orders: set[str]) -> set[str]:
    """`orders`, and those that they traded with."""
    grown = True
    while grown:
        grown = False
        for x in exchanges:
            taken = {take.order.lower() for take in x.takes or []}
            placed = _placed(x)
            group = taken | ({placed} if placed and taken else set())
            if group & orders and not group <= orders:
                orders, grown = orders | group, True
    return orders


def _about(x: Exchange, orders: set[str]) -> bool:
    if x.driver == "cleanup":
        return False
    placed = _placed(x)
    return (placed is not None and placed in orders) or any(name in orders for name in order_ids(x.request.target))


def _placed(x: Exchange) -> str | None:
    """The id of the order that an exchange placed."""
    if x.op != "new_order" or x.response is None or x.response.status != 200:
        return None
    return next(iter(order_ids(x.response.body)), None)


def steps_of(exchanges: Sequence[Exchange], finding: Finding) -> list[Step]:
    """The exchanges behind a finding as a report tells them."""
    chosen = relevant(exchanges, finding)
    if not chosen:
        return []
    origin = chosen[0].start
    return [
        Step(
            n=x.n,
            who=f"{x.auth.account} ({x.auth.scheme})" if x.auth else "anybody",
            what=_what(x),
            outcome=_outcome(x),
            start_ms=round((x.start - origin) * 1000, 2),
            took_ms=round((x.end - x.start) * 1000, 2),
            role="provision" if x.op in _PROVISION else "look" if x.op in _LOOK else "act",
            request=_request_text(x),
            response=_response_text(x),
        )
        for x in chosen
    ]


def _what(x: Exchange) -> str:
    """The request in words where it is an order, else its method and target; what was spoiled about it."""
    sent = _object(x.request.body) if x.op == "new_order" else {}
    if sent:
        price = f" @ {sent['price']} {sent.get('tif', '')}".rstrip() if sent.get("price") else ""
        amount = sent.get("quantity") or f"for {sent.get('quote_quantity')}"
        kind = "market " if sent.get("type") == "market" else ""
        return f"New Order: {kind}{sent.get('side')} {amount}{price}"
    flaw = f" (spoiled: {x.auth.how or x.auth.flaw})" if x.auth is not None and x.auth.flaw else ""
    return f"{x.request.method} {x.request.target}{flaw}"


def _outcome(x: Exchange) -> str:
    """The status, and what the body says in a word or two."""
    if x.response is None:
        return x.error or "no answer"
    body = _object(x.response.body)
    words = [str(body[name])[:60] for name in ("error", "status") if isinstance(body.get(name), str)]
    told = " ".join([str(x.response.status), *words])
    # an amount that is zero in another notation is worth seeing
    if body.get("filled_qty") not in (None, "0", 0) and "status" in body:
        told += f", filled_qty {str(body['filled_qty'])[:30]}"
    return told


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _request_text(x: Exchange) -> str:
    lines = [f"{x.request.method} {x.request.target}", *(f"{k}: {v}" for k, v in x.request.headers)]
    if x.auth is not None and x.auth.flaw is not None:
        how = f"{x.auth.how} ({x.auth.flaw})" if x.auth.how else x.auth.flaw
        lines.append(f"# the credential is spoiled: {how}")
    if x.signed is not None:
        lines.append(f"# signed: {x.signed}")
    return "\n".join([*lines, "", x.request.body or ""]).strip()[:_SHOWN]


def _response_text(x: Exchange) -> str:
    if x.response is None:
        return x.error or "no answer"
    body = x.response.body or (f"(base64) {x.response.body_base64}" if x.response.body_base64 else "")
    return "\n".join([str(x.response.status), *(f"{k}: {v}" for k, v in x.response.headers), "", body])[:_SHOWN]


def script_of(exchanges: Sequence[Exchange], finding: Finding, header: Header) -> str:
    """A bash script that sends the exchanges of a finding again. Secrets come from the environment."""
    from conformance.curl import bash_script

    return bash_script(relevant(exchanges, finding), finding, header)


def order_ids(text: str) -> list[str]:
    """The UUIDs in a text, in order, each once."""
    return list(dict.fromkeys(match.lower() for match in _UUID.findall(text)))
