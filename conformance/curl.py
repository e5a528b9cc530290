"""Writes bash scripts with curl and openssl that send recorded exchanges again, signed when they run.

A script holds no secret: it takes them from the environment. Whatever comes from the record (ids, errors, bodies)
is data of the target and is quoted.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from statistics import median

from msgspec.structs import replace

from conformance.bash import PRELUDE, helpers_for
from conformance.oracle.bodies import is_infrastructure, is_transient
from conformance.oracle.findings import Finding
from conformance.record import Auth, Exchange, Header
from conformance.suite import two_credentials
from conformance.suite.jwt_flaws import JWT_FLAWS, JwtFlaw
from conformance.suite.key_flaws import KEY_FLAWS
from conformance.suite.tampering import KeyFlaw

_TAIL = re.compile(r"(?:^|&)timestamp=[^&]*&signature=[^&]*$")
_PAUSE = 1.0  # s: a longer gap between two exchanges is repeated
_LONGEST = 5.0  # s: what a second clock shows, or what comes later, needs no longer
_OWN_HEADERS = frozenset(
    {
        *("host", "accept", "accept-encoding", "connection", "user-agent", "transfer-encoding"),
        *("content-length", "content-type", "authorization", "x-mbx-apikey", "x-api-key", "x-signature"),
    }
)
# what no client sends by itself
_MEANT = {("connection", "close"), ("content-length", "0"), ("accept-encoding", "identity")}
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORTEST = 8  # characters of an id that are taken for a part of it
_OFFSET_MS = 200  # ms: less than this between our clock and the target's is left to the window


def bash_script(exchanges: Sequence[Exchange], finding: Finding, header: Header) -> str:
    """A script that repeats `exchanges`: places the orders afresh, and uses their new ids.

    It exits with 0 when everything was sent, 2 when a credential is missing, 3 when an order could not be placed.
    """
    writer = _Writer(header, set(finding.exchanges), _offset_ms(exchanges))
    body = "\n".join(writer.lines([x for x in exchanges if x.n in finding.exchanges or _counts(x)]))
    needs = sorted(writer.needs)
    case = f" of {finding.case}" if finding.case else ""
    head = [
        "#!/usr/bin/env bash",
        f"# {_one_line(f'{finding.requirement}: {finding.message}')}",
        f"# Sends the exchanges{_one_line(case)} again: with fresh orders, signed as it runs.",
        "# Needs bash (3.2 or later), curl and openssl, and in the environment:",
        *(f"#   {name}" for name in needs),
        "# Set BASE_URL for another target, and OFFSET_MS if its clock is that far ahead of ours.",
        "set -u",
        f"BASE={_word(header.base_url.rstrip('/'))}",
        f"CLOCK={writer.offset_ms}",
        f"NEEDS={shlex.quote(' '.join(needs))}",
    ]
    tail = [
        "",
        "echo",
        f"show {_word('expected:  ' + _one_line(finding.expected))}",
        f"show {_word('seen then: ' + _one_line(finding.seen))}",
        'show "${SEEN_NOW%?}"',
        'exit "$LACKING"',
    ]
    return (
        "\n".join([*head, PRELUDE.rstrip(), helpers_for(body).rstrip(), "", body, *tail]).replace("\n\n\n", "\n\n")
        + "\n"
    )


def _counts(x: Exchange) -> bool:
    """Whether an exchange changed or showed anything: repeats after trouble are left out."""
    if x.response is None or x.op in ("markets", "health"):
        return False
    return not is_infrastructure(x.response) and not is_transient(x.response)


def _offset_ms(exchanges: Sequence[Exchange]) -> int:
    """How far the target's clock is ahead of ours, as the run signed with it; 0 if that makes no difference."""
    shifts = [
        int(match[1]) - x.sent_at * 1000
        for x in exchanges
        if x.auth and x.auth.scheme == "api_key" and not x.auth.flaw and not x.auth.how
        if (match := re.search(r"[?&]timestamp=(\d{1,16})&", x.request.target))
    ]
    offset = int(median(shifts)) if shifts else 0
    return offset if abs(offset) > _OFFSET_MS else 0


def flaw_of(auth: Auth) -> KeyFlaw | JwtFlaw | None:
    """The flaw that a credential has by its requirement and name, None if it has none that is in the lists."""
    flaws: tuple[KeyFlaw | JwtFlaw, ...] = KEY_FLAWS if auth.scheme == "api_key" else JWT_FLAWS
    return next((flaw for flaw in flaws if (flaw.requirement, flaw.name) == (auth.flaw, auth.how)), None)


def recipe_of(auth: Auth) -> str | None:
    """The bash that makes this credential, None if the record does not tell how it was made.

    It stands between `draft` and `by_key`, or between `token` and `by_jwt`.
    """
    good = "sign" if auth.scheme == "api_key" else ":"
    if auth.how is None:
        return good if auth.flaw is None else None
    if (flaw := flaw_of(auth)) is not None:
        return flaw.bash
    if auth.how == "expired":
        return f'AUTH="Bearer $(secret {auth.account.upper()}_EXPIRED_JWT)"'
    how, comma, _ = auth.how.rpartition(", same timestamp")
    if auth.how == "same timestamp" or comma:
        spoiled = recipe_of(replace(auth, how=how)) if comma else "sign"
        return f"TIMESTAMP=${{SAME:=$TIMESTAMP}}; {spoiled}"
    if match := re.fullmatch(r"timestamp ([+-]\d{1,15}) ms", auth.how):
        return f"TIMESTAMP=$((TIMESTAMP {match[1][0]} {int(match[1][1:])})); sign"
    if match := re.fullmatch(r"header ([A-Za-z-]{1,40})", auth.how):
        return f"HEADER={match[1]}; sign" if auth.scheme == "api_key" else f"HEADER_OF_AUTH={match[1]}; :"
    if match := re.fullmatch(r"([a-z]+=\d+) behind the timestamp", auth.how):
        return f'QUERY="timestamp=$TIMESTAMP&{match[1]}"; unset TIMESTAMP; sign'
    if (pair := two_credentials.in_bash(auth)) is not None:
        return pair
    if match := re.fullmatch(r"scheme ([A-Za-z]{1,20})", auth.how):
        return f'AUTH="{match[1]} $JWT"'
    return None


class _Writer:
    """Writes the lines of a script. `needs` are the environment variables that they use."""

    def __init__(self, header: Header, asked: set[int], offset_ms: int) -> None:
        self.header, self.asked, self.offset_ms = header, asked, offset_ms
        self.needs: set[str] = set()
        self._names: dict[str, str] = {}

    def lines(self, exchanges: Sequence[Exchange]) -> list[str]:
        """All of it."""
        lines: list[str] = []
        for number, x in enumerate(exchanges):
            before = exchanges[number - 1] if number else None
            if before is not None and (gap := x.start - before.end) > _PAUSE:
                lines.append(f"sleep {min(gap, _LONGEST):.1f}")
            overlaps = x.race is not None
            lines += self._exchange(x, background=overlaps)
            following = exchanges[number + 1].race if number + 1 < len(exchanges) else None
            if overlaps and following != x.race:
                lines.append("wait")
        return lines

    def _exchange(self, x: Exchange, *, background: bool) -> list[str]:
        title = f"== {x.n}: {self._who(x.auth)}"
        lines = [f"echo {_word(_one_line(title))}"]
        sending = self._sending(x)
        if sending is None:
            return [*lines, "echo 'the record does not tell how this credential was made: use replay' >&2; exit 3"]
        if background:
            return [*lines, "{ " + "; ".join(sending) + "; } &"]
        lines += sending
        if x.n in self.asked:
            lines.append(f"question {x.n}")
        if x.op == "new_order" and x.response is not None and x.response.status == 200:
            order_id = _id(x.response.body)
            if order_id is not None and x.auth is not None:
                name = self._names.setdefault(order_id.lower(), f"ORDER_{len(self._names) + 1}")
                lines.append(f"placed {name} {_account(x.auth)} {_scheme(x.auth)}")
        return lines

    @staticmethod
    def _who(auth: Auth | None) -> str:
        if auth is None:
            return "anybody"
        text = f"{auth.account}, {auth.scheme}"
        if auth.flaw is not None:
            return f"{text}, spoiled: {auth.how or '?'} ({auth.flaw})"
        return f"{text}, {auth.how}" if auth.how else text

    def _sending(self, x: Exchange) -> list[str] | None:
        """The lines that send one request, None if its credential cannot be made again."""
        target = x.request.target.removeprefix(self.header.base_path)
        path, _, query = target.partition("?")
        method = _word(x.request.method)
        text, options, typed = self._data(x.request.body or ""), self._headers(x), self._typed(x)
        place = self._raw(path)
        if x.auth is None:
            return [f"{typed}send {method} {place} {self._raw(query)} {text}{options}"]
        recipe, who = recipe_of(x.auth), _account(x.auth)
        if recipe is None:
            return None
        if x.auth.scheme == "jwt":
            if recipe.endswith(":") or re.search(r"\$JWT|parts|guessed|BESIDE", recipe):
                self._need(who, "JWT", *(["API_SECRET"] if "API_SECRET" in recipe else []))
                lines = [f"token {who}" if recipe == ":" else f"token {who}; {recipe}"]
            else:
                if x.auth.how == "expired":
                    self._need(who, "EXPIRED_JWT")
                lines = [recipe]
            self._need_other(who, recipe)
            return [*lines, f"{typed}by_jwt {method} {place} {self._raw(query)} {text}{options}"]
        flaw = flaw_of(x.auth)
        query = flaw.query if isinstance(flaw, KeyFlaw) else _TAIL.sub("", query)
        self._need(who, "API_KEY", "API_SECRET")
        if "${WHO}_JWT" in recipe:
            self._need(who, "JWT")
        self._need_other(who, recipe)
        where = f"PLACE={place}; " if "$PLACE" in recipe else ""
        return [
            f"draft {who} {self._raw(query)} {text}; {where}{recipe}",
            f"{typed}by_key {method} {place}{options}",
        ]

    def _need(self, who: str, *secrets: str) -> None:
        self.needs.update(f"SPOT_CONFORMANCE_{who}_{secret}" for secret in secrets)

    @staticmethod
    def _typed(x: Exchange) -> str:
        """How a body is labelled, if that is not as JSON."""
        label = next((value for key, value in x.request.headers if key.lower() == "content-type"), "")
        return f"TYPE={_word(label)} " if x.request.body and label not in ("", "application/json") else ""

    def _need_other(self, who: str, recipe: str) -> None:
        if "$OTHER" in recipe or "${OTHER}" in recipe:
            secrets = ["JWT"] if "_JWT" in recipe else ["API_KEY", "API_SECRET"]
            self._need("COUNTERPARTY" if who == "OWNER" else "OWNER", *secrets)

    def _headers(self, x: Exchange) -> str:
        rows = [
            (key, value)
            for key, value in x.request.headers
            if (key.lower() not in _OWN_HEADERS or (key.lower(), value) in _MEANT) and _TOKEN.fullmatch(key)
        ]
        told = "".join(f" -H {self._data(f'{key}: {value}')}" for key, value in rows)
        return told if any(key.lower() == "accept" for key, _ in x.request.headers) else f"{told} -H 'Accept:'"

    def _raw(self, text: str) -> str:
        """A shell word for a part of the request target, byte by byte."""
        return self._quoted(text, "latin-1")

    def _data(self, text: str) -> str:
        """A shell word for a body or header."""
        return self._quoted(text, "utf-8")

    def _quoted(self, text: str, encoding: str) -> str:
        """A shell word in which the ids of orders that the script places are variables."""
        if not self._names or not text:
            return _word(text, encoding)
        folded = text.lower()
        named = [order_id for order_id in self._names if order_id in folded]
        if not named:
            return self._derived(text) or _word(text, encoding)
        parts = re.split(f"({'|'.join(map(re.escape, named))})", text, flags=re.IGNORECASE)
        word = ""
        for part in parts:
            name = self._names.get(part.lower())
            if name is None:
                word += _word(part, encoding) if part else ""
            elif part.lower() == part:
                word += f'"${name}"'
            else:
                word += f'"$(upper "${name}")"'
        return word

    def _derived(self, text: str) -> str | None:
        """A path whose last segment was made from the id of an order that the script places."""
        front, slash, last = text.rpartition("/")
        if not slash or len(last) < _SHORTEST:
            return None
        for order_id, name in reversed(self._names.items()):
            if not _UUID.fullmatch(order_id):
                continue
            if last == order_id.replace("-", ""):
                made = f'"${{{name}//-/}}"'
            elif order_id.startswith(last):
                made = f'"${{{name}:0:{len(last)}}}"'
            elif order_id.endswith(last):
                made = f'"${{{name}:{len(order_id) - len(last)}}}"'
            elif _UUID.fullmatch(last) and len(other := _differences(order_id, last)) == 1:
                made = f'"$(neighbour {other[0]} "${name}")"'
            else:
                continue
            return _word(f"{front}/") + made
        return None


def _account(auth: Auth) -> str:
    return "".join(c for c in auth.account.upper() if c.isascii() and (c.isalnum() or c == "_"))


def _scheme(auth: Auth) -> str:
    return "jwt" if auth.scheme == "jwt" else "api_key"


def _differences(one: str, other: str) -> list[int]:
    return [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


def _one_line(text: str, limit: int = 400) -> str:
    """Text of the target for a comment or a message: one line, no control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:limit]


def _word(text: str, encoding: str = "utf-8") -> str:
    """A shell word that is exactly `text` in this encoding."""
    if all(" " <= c <= "~" for c in text) or (encoding == "utf-8" and text.isprintable()):
        return shlex.quote(text)
    escaped = "".join(
        chr(b) if 0x20 <= b <= 0x7E and chr(b) not in "'\\" else f"\\x{b:02x}"
        for b in text.encode(encoding, "replace")
    )
    return f"$'{escaped}'"


def _id(body: str) -> str | None:
    """The id in an order that was answered, None if there is none."""
    try:
        value = json.loads(body).get("id")
    except (ValueError, AttributeError):
        return None
    return value if isinstance(value, str) and value else None
