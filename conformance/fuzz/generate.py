"""Generated cancels, by schemathesis from the OpenAPI document. Pure: a seed and a number give the same list.

coverage   each keyword of each parameter at and beyond its bounds, the documented examples, undeclared methods and
           content types: `schema.iter_coverage_cases`, the generator of schemathesis' own coverage phase
positive   fits the widened document (`widened`): `as_strategy(generation_mode=POSITIVE)`
negative   breaks it somewhere: `as_strategy(generation_mode=NEGATIVE)`
bytes      every byte there is, percent-encoded, in a query value and in an id: our own, since random text rarely
           has a given one

`iter_coverage_cases` is a method without underscore of the exported `BaseSchema`, although schemathesis' pages do
not describe it; a test notices if it changes. The alternative, negative mode alone, has no boundary values and no
other methods. The documented example of the id is the base of its cases, so there is no examples phase beside it.

schemathesis generates and does not send: its transport may send a request again on a dropped connection, and has no
signature over what goes on the wire. Of its checks:

not_a_server_error, status_code_conformance   the oracle's `cancel.answers.status`, on every answer
content_type_conformance                      the oracle's `cancel.answers.json`
response_schema_conformance                   used: the same validator and schema in `oracle/schema.py`, offline too
response_headers_conformance                  the document declares no headers
positive_data_acceptance                      replaced: the order's state decides, and the ledger has it
negative_data_rejection                       replaced: it takes 404 and 401 for rejections, so it cannot fail here;
                                              the oracle knows the error of each id
missing_required_header, ignored_auth         replaced by `Auth.flaw`; ignored_auth repeats accepted requests, that
                                              is, it would cancel
unsupported_method, allow_header_conformance  left open by the pages: only effects are judged
use_after_free                                wrong here: a canceled order stays readable
ensure_resource_availability                  replaced by the ledger
object_level_authorization                    replaced by the other account's orders
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode

from conformance.fuzz.generated import PARTIAL, TOKEN, UUID, Generated, is_field
from conformance.fuzz.recombine import Recombined
from conformance.fuzz.widened import PLACES_OF_AN_ID, widened

_DRAWN = {"positive": 0.35, "negative": 0.25}  # share that schemathesis draws; the others have parts of these
_LEAST_DRAWN = 6
_WITH_BODY = 0.2  # share of the requests that may have a body, which the pages leave open
_SHARES = {"coverage": 0.25, "positive": 0.3, "negative": 0.35, "bytes": 0.1}
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265, section 4.1.1
_MEANT_NAMES = ("timestamp", "signature", "recvWindow")
_RENAMED = 0.05  # share of the queries whose first parameter gets such a name
_TARGETS = {
    "own open": 0.4,
    PARTIAL: 0.25,
    "own ended": 0.1,
    "foreign open": 0.1,
    "foreign ended": 0.05,
    "generated": 0.1,
}


def generate(document: Mapping[str, Any], phase: str, total: int, seed_: int) -> list[Generated]:
    """The cancels of one phase of a budget of `total`, in the order in which they are to be sent."""
    random = Random(f"{seed_}/{phase}")
    count = max(4, round(total * _SHARES[phase]))
    if phase == "bytes":
        return [_aimed(item, random) for item in _bytes(count)]
    if phase == "coverage" and total > 300:
        count = round(1.6 * count)  # many are the same on the wire
    with_body = round(count * _WITH_BODY)
    make = _covered if phase == "coverage" else _drawn
    items = [
        *make(document, phase, count - with_body, seed_, random, body=False),
        *make(document, phase, with_body, seed_, random, body=True),
    ]
    return [_aimed(item, random) for item in items]


@lru_cache(maxsize=2)
def _schema(text: str) -> Any:
    config = schemathesis.Config.from_dict(
        # credentials are ours to make: only the sender can sign
        {"generation": {"database": "none", "with-security-parameters": False}}
    )
    return schemathesis.openapi.from_dict(json.loads(text), config=config)


def _operation(document: Mapping[str, Any], body: bool) -> tuple[Any, Any]:
    schema = _schema(json.dumps(widened(document, body=body), sort_keys=True, default=str))
    return schema, schema["/spot/orders/{id}"]["DELETE"]


def _covered(
    document: Mapping[str, Any], phase: str, count: int, seed_: int, random: Random, *, body: bool
) -> list[Generated]:
    schema, operation = _operation(document, body)
    schema.coverage_unexpected_methods_seen.clear()  # each method is offered once per schema object otherwise
    modes, config = list(GenerationMode), schema.config.generation_for(operation=operation)
    cases = list(schema.iter_coverage_cases(operation, generation_modes=modes, generation_config=config))
    Random(f"{seed_}/{phase}/{body}").shuffle(cases)
    return _distinct(_read(case, phase, random) for case in cases[:count])


def _drawn(
    document: Mapping[str, Any], phase: str, count: int, seed_: int, random: Random, *, body: bool
) -> list[Generated]:
    """Some that schemathesis draws, and others of their parts (`recombine`)."""
    _, operation = _operation(document, body)
    drawn: list[Case[Any]] = []

    @seed(seed_)
    @settings(
        max_examples=min(count, max(_LEAST_DRAWN, round(count * _DRAWN[phase]))),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode(phase)))
    def draw(case: Case[Any]) -> None:
        drawn.append(case)

    draw()
    parents = _distinct(_read(case, phase, random) for case in drawn)
    documented = [parameter.name for parameter in (*operation.query, *operation.headers)]
    more = Recombined(parents, [*documented, "Cookie"], random)
    return _distinct(chain(parents, (more.make() for _ in range(2 * count))))[:count]


def _distinct(items: Iterable[Generated]) -> list[Generated]:
    """Each request once, whatever it is about."""
    found: dict[tuple[object, ...], Generated] = {}
    for item in items:
        found.setdefault((item.method, item.id, item.query, item.headers, item.body), item)
    return list(found.values())


def _read(case: Case[Any], phase: str, random: Random) -> Generated:
    """What a case of schemathesis is on the wire, without what HTTP forbids."""
    method = case.method.upper()
    segment = case.formatted_path.rpartition("/spot/orders/")[2]
    encode = random.choice([quote, quote, quote_plus])
    query = tuple(
        (encode(str(name), safe=""), encode(_text(item), safe=""))
        for name, value in (case.query or {}).items()
        for item in (value if isinstance(value, list) else [value])
    )
    headers = [(name, value) for name, value in (case.headers or {}).items() if is_field(name, str(value))]
    cookies = [
        f"{k}={v}" for k, v in (case.cookies or {}).items() if TOKEN.fullmatch(k) and _COOKIE.fullmatch(str(v))
    ]
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    # other methods go without a body: PUT and PATCH may have a meaning of their own elsewhere
    body = _body(case.body) if method == "DELETE" else None
    if body is None:
        headers = [pair for pair in headers if pair[0].lower() != "content-type"]
    elif case.media_type and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", case.media_type))
    data = case.meta.phase.data if case.meta is not None else None
    about = " ".join(str(getattr(data, "description", None) or phase).split())
    return Generated(
        phase,
        about,
        re.sub(r"[^\x21-\x7e]", lambda match: quote(match[0]), segment),
        method=method,
        query=query,
        headers=tuple(headers),
        body=body,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (dict, list, int, float)) or value is None:
        return json.dumps(value)
    return None  # schemathesis' mark for "no body"


def _bytes(count: int) -> Iterator[Generated]:
    """All 256 bytes, in slices: `count` requests have them in a query value or in the id.

    Some more have those that may stand in a header in one.
    """
    slices = max(2, min(16, count // 2))
    size = 256 // slices + (256 % slices > 0)
    for begin in range(0, 256, size):
        last = min(begin + size, 256) - 1
        text = "".join(f"%{byte:02X}" for byte in range(begin, last + 1))
        yield Generated("bytes", f"bytes {begin:02X} to {last:02X} in the query", "", query=(("note", text),))
        yield Generated("bytes", f"bytes {begin:02X} to {last:02X} in the id", text)
        if shown := "".join(map(chr, range(max(begin, 0x21), min(last, 0x7E) + 1))):
            about = f"bytes {ord(shown[0]):02X} to {ord(shown[-1]):02X} in a header"
            yield Generated("bytes", about, "", headers=(("X-Request-Id", shown),))


def _aimed(item: Generated, random: Random) -> Generated:
    """Point a generated request at an order that exists, unless its id is what it is about; choose a credential.

    An id in another place than the path is made that of another live order, now and then.
    """
    target = "generated"
    if not item.id or UUID.fullmatch(item.id):
        weights = dict(_TARGETS)
        if not item.id:
            del weights["generated"]
        target = random.choices(list(weights), list(weights.values()))[0]
    if item.method != "DELETE":
        target = random.choice(["own open", PARTIAL])
    if item.phase == "bytes":  # each byte is sent once, so that no other reason may stand before it
        return replace(item, target=target, credential=random.choice(["jwt", "api_key"]))
    credential = random.choices(["jwt", "api_key", "none", "unsigned"], [0.45, 0.45, 0.05, 0.05])[0]
    if item.method != "DELETE" and credential in ("none", "unsigned"):
        credential = "jwt"
    if credential == "unsigned":  # the flaw is to be the only reason to refuse it
        item = replace(item, query=(), headers=(), body=None)
    if item.query and random.random() < _RENAMED:
        item = replace(item, query=((random.choice(_MEANT_NAMES), item.query[0][1]), *item.query[1:]))
    decoy = any(name in PLACES_OF_AN_ID for name, _ in item.query) or '"id"' in (item.body or "")
    return replace(item, target=target, credential=credential, decoy=decoy and random.random() < 0.5)
