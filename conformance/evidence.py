"""What shows a finding: its exchanges as a sequence, and a bash script that does it again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conformance.oracle.findings import Finding
from conformance.record import Exchange, Header
from conformance.report.result import Step

_SHOWN = 4000  # characters of a body that a report shows
_PROVISION = ("new_order", "markets", "health")
_LOOK = ("query_order", "open_orders", "my_trades")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def relevant(exchanges: Sequence[Exchange], finding: Finding) -> list[Exchange]:
    """The exchanges of a case up to the finding that have to do with it; at most sixty."""
    last = max(finding.exchanges, default=0)
    upto = [x for x in exchanges if x.n <= last]
    begin = 0
    if finding.order is not None:
        # a case that started over begins anew with the order that the finding is about
        places = [i for i, x in enumerate(upto) if x.response and finding.order in x.response.body.lower()]
        begin = max(0, (places[0] if places else 0) - 6)
    return upto[begin:][-60:]


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
            what=f"{x.request.method} {x.request.target}",
            outcome=str(x.response.status) if x.response else (x.error or "no answer"),
            start_ms=round((x.start - origin) * 1000, 2),
            took_ms=round((x.end - x.start) * 1000, 2),
            role="provision" if x.op in _PROVISION else "look" if x.op in _LOOK else "act",
            request=_request_text(x),
            response=_response_text(x),
        )
        for x in chosen
    ]


def _request_text(x: Exchange) -> str:
    lines = [f"{x.request.method} {x.request.target}", *(f"{k}: {v}" for k, v in x.request.headers)]
    if x.auth is not None and x.auth.flaw is not None:
        lines.append(f"# the credential is spoiled: {x.auth.flaw}")
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
