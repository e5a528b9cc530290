"""Writes bash scripts with curl and openssl that send recorded exchanges again, signed when they run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from conformance.oracle.findings import Finding
from conformance.record import Exchange, Header

_PRELUDE = r"""#!/usr/bin/env bash
# {title}
# Expected: {expected}
# Seen:     {seen}
# Needs bash, curl and openssl, and the credentials in the environment:
#   {variables}
set -u
BASE=${{BASE_URL:-{base}}}
now_ms() {{ echo $(( $(date +%s%N) / 1000000 )); }}
hmac() {{ printf %s "$2" | openssl dgst -sha256 -hmac "$1" | sed 's/^.*= *//'; }}
secret() {{ local name=SPOT_CONFORMANCE_$1; printf %s "${{!name:?export $name first}}"; }}
# call METHOD PATH QUERY BODY [curl options…]: prints body and status, keeps the body in $ANSWER
call() {{
  local method=$1 url=$BASE$2${{3:+?$3}} body=$4; shift 4
  local args=(-sS --path-as-is -X "$method" -w '\n%{{http_code}}')
  [ -n "$body" ] && args+=(-H 'Content-Type: application/json' --data-binary "$body")
  echo "> $method $url"
  ANSWER=$(curl "${{args[@]}}" "$@" "$url"); echo "< $ANSWER"
}}
by_jwt() {{ local who=$1; shift; call "$@" -H "Authorization: Bearer $(secret "${{who}}_JWT")"; }}
by_key() {{ # WHO METHOD PATH QUERY BODY
  local who=$1 query=${{4:+$4&}}timestamp=$(now_ms) sig
  sig=$(hmac "$(secret "${{who}}_API_SECRET")" "$query$5")
  call "$2" "$3" "$query&signature=$sig" "$5" -H "X-MBX-APIKEY: $(secret "${{who}}_API_KEY")"
}}
id_of() {{ printf %s "$ANSWER" | grep -o '"id" *: *"[^"]*"' | head -n 1 | sed 's/.*"\([^"]*\)"$/\1/'; }}
"""
_STAMP = re.compile(r"(?:^|&)(?:timestamp|signature)=[^&]*")


def bash_script(exchanges: Sequence[Exchange], finding: Finding, header: Header) -> str:
    """A script that repeats `exchanges`: places the orders afresh, and uses their new ids."""
    used: set[str] = set()
    names: dict[str, str] = {}
    body: list[str] = []
    for x in exchanges:
        body += _lines(x, header, names, used)
    variables = " ".join(sorted(used)) or "(none)"

    def one_line(text: str) -> str:
        return "".join(c if c.isprintable() else " " for c in text)[:300]

    head = _PRELUDE.format(
        title=one_line(f"{finding.requirement}: {finding.message}"),
        expected=one_line(finding.expected),
        seen=one_line(finding.seen),
        variables=variables,
        base=shlex.quote(header.base_url),
    )
    return head + "\n" + "\n".join(body) + "\n"


def _lines(x: Exchange, header: Header, names: dict[str, str], used: set[str]) -> list[str]:
    path, _, query = x.request.target.partition("?")
    path = path.removeprefix(header.base_path)
    query = _STAMP.sub("", query).strip("&")
    who = x.auth.account.upper() if x.auth else ""
    text = x.request.body or ""
    call = f"{x.request.method} {_quoted(path, names)} {_quoted(query, names)} {_quoted(text, names)}"
    lines = []
    if x.auth is None:
        lines.append(f"call {call}")
    elif x.auth.flaw is not None or x.auth.either:
        lines += _spoiled(x, call, who, used)
    elif x.auth.scheme == "jwt":
        used.add(f"SPOT_CONFORMANCE_{who}_JWT")
        lines.append(f"by_jwt {who} {call}")
    else:
        used.update((f"SPOT_CONFORMANCE_{who}_API_KEY", f"SPOT_CONFORMANCE_{who}_API_SECRET"))
        lines.append(f"by_key {who} {call}")
    if x.op == "new_order" and x.response is not None and x.response.status == 200:
        order_id = _id(x.response.body)
        if order_id is not None:
            name = f"ORDER_{len(names) + 1}"
            names[order_id.lower()] = name
            lines.append(f"{name}=$(id_of)")
    return lines


def _spoiled(x: Exchange, call: str, who: str, used: set[str]) -> list[str]:
    """A request with a deliberately wrong credential: how it was spoiled stands in the comment."""
    assert x.auth is not None
    what = x.auth.flaw or "a credential that the pages leave open"
    note = f"# spoiled credential: {what} ({x.case})"
    if x.auth.scheme == "jwt":
        value = next((v for k, v in x.request.headers if k.lower() == "authorization"), None)
        if value is None:
            return [note, f"call {call}"]
        used.add(f"SPOT_CONFORMANCE_{who}_JWT")
        return [note, f'call {call} -H "Authorization: $(spoil {shlex.quote(x.case)} {who})"']
    used.update((f"SPOT_CONFORMANCE_{who}_API_KEY", f"SPOT_CONFORMANCE_{who}_API_SECRET"))
    return [note, f"spoiled {shlex.quote(x.case)} {who} {call}"]


def _quoted(text: str, names: dict[str, str]) -> str:
    """A shell word; ids of orders that the script places become variables."""
    parts = re.split("(" + "|".join(map(re.escape, names)) + ")", text, flags=re.IGNORECASE) if names else [text]
    word = ""
    for part in parts:
        name = names.get(part.lower())
        if name is None:
            word += shlex.quote(part) if part else ""
        elif part.lower() == part:
            word += f'"${name}"'
        else:
            word += f'"${{{name}^^}}"'
    return word or "''"


def _id(body: str) -> str | None:
    try:
        value = json.loads(body).get("id")
    except (ValueError, AttributeError):
        return None
    return value if isinstance(value, str) else None
