"""The markets of a target: found under the base path, or near it; the one that is asked for, or the nearest."""

from __future__ import annotations

import difflib
import re
from typing import Any
from urllib.parse import urlsplit

from conformance.errors import TargetError
from conformance.oracle.bodies import try_parse
from conformance.oracle.lists import items_of
from conformance.record import Exchange, Response
from conformance.target.client import Call
from conformance.target.market import Rules
from conformance.target.venue import Venue

_PATHS = ("/api/v1", "/api", "/v1", "")  # where an exchange's API often lives
_MOST = 8  # other base paths that are tried
_EXAMPLE = "DFUSDT"  # the market of the page's example
_SHOWN = 8  # names of markets in a message


def ask_markets(venue: Venue) -> Exchange:
    """`GET /spot/markets`, with patience. Raises Trouble if there is no answer of the target itself."""
    return venue.settled(Call("markets", "GET", "/spot/markets"), repeatable=True)


def markets_in(venue: Venue, exchange: Exchange) -> list[dict[str, Any]]:
    """The markets in that answer; raises TargetError with what it is instead, and where the API may be."""
    response = exchange.response
    assert response is not None
    if rows := _rows(response):
        return rows
    path = f"{venue.settings.base_path}/spot/markets"
    location = response.header("location")
    if 300 <= response.status < 400 and location:
        raise TargetError(
            f"GET {path} is redirected to {location[:200]}",
            "redirects are not followed, so that credentials stay here: set base_url to where it ends",
        )
    near = nearest_base_url(venue)
    if near is not None:
        raise TargetError(f"GET {path} answers {response.status} and no markets", f"set base_url to {near}")
    if response.status in (401, 403, 407):
        raise TargetError(
            f"GET {path} answers {response.status}: something in front wants a login of its own",
            "markets are public: let this machine through (VPN, allowlist, proxy), or look at base_url",
        )
    if _is_page(response):
        raise TargetError(
            f"GET {path} answers {response.status} with a web page: a web site or a login, not an exchange's API",
            "look at the host and the path of base_url; a login in front of the API must let this machine through",
        )
    raise TargetError(
        f"GET {path} answers {response.status} and no markets",
        "look at base_url: it ends before /spot, for example https://staging.example/api/v1",
    )


def _rows(response: Response | None) -> list[dict[str, Any]] | None:
    return items_of(try_parse(response)) if response is not None and response.status == 200 else None


def _is_page(response: Response) -> bool:
    label = (response.header("content-type") or "").lower()
    return (
        "html" in label or response.body.lstrip()[:9].lower() in ("<!doctype", "<html>") or "<html" in response.body
    )


def nearest_base_url(venue: Venue) -> str | None:
    """The base URL on the same origin that lists markets and is nearest to the given one; None if there is none.

    A few plain requests without credentials.
    """
    given = venue.settings.base_path
    steps = given.split("/")
    shorter = ["/".join(steps[:end]) for end in range(len(steps) - 1, 0, -1)]
    longer = [given + path for path in _PATHS if path]
    found = dict.fromkeys(path for path in (*shorter, *longer, *_PATHS) if path != given)
    near = sorted(found, key=lambda path: -difflib.SequenceMatcher(None, path, given).ratio())
    for path in near[:_MOST]:
        if _rows(venue.send(Call("markets", "GET", "/spot/markets", base=path)).response):
            parts = urlsplit(venue.settings.base_url)
            return f"{parts.scheme}://{parts.netloc}{path}"
    return None


def choose_market(venue: Venue, rows: list[dict[str, Any]] | None = None) -> None:
    """Take the market that was asked for, or the page's, or the first one listed.

    `rows` are the markets; without them they are asked for. Raises TargetError if there is no such market, or none
    that is open; in the second case the venue has rules all the same, and is `closed`.
    """
    rows = rows if rows is not None else markets_in(venue, ask_markets(venue))
    wanted = venue.settings.symbol
    listed = [row for row in rows if row.get("status") in (None, "listed")]
    names = [str(row.get("id")) for row in rows]
    open_ones = [str(row.get("id")) for row in listed]
    if wanted is not None and wanted not in names:
        near = _nearest(wanted, open_ones) or _nearest(wanted, names)
        raise TargetError(
            f"the target has no market {wanted!r}",
            (f"did you mean {near!r}? " if near else "") + f"It has {_some(names)}",
        )
    likely = wanted or next((name for name in open_ones if name == _EXAMPLE), None)
    chosen = next((row for row in rows if row.get("id") == likely), None) or (listed or rows)[0]
    venue.rules = Rules.of(chosen)
    if chosen not in listed:
        venue.closed = f"the market {chosen.get('id')} is {chosen.get('status')}"
        hint = f"name another with --symbol: {_some(open_ones)}" if open_ones else "ask its operator to open one"
        raise TargetError(venue.closed, hint)


def _nearest(wanted: str, names: list[str]) -> str | None:
    def plain(name: str) -> str:
        return re.sub(r"[^a-z0-9]", "", name.lower())

    by_plain = {plain(name): name for name in names}
    near = difflib.get_close_matches(plain(wanted), by_plain, n=1, cutoff=0.5)
    return by_plain[near[0]] if near else None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:40] for name in names[:_SHOWN]) + more
