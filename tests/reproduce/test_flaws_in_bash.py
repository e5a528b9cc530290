"""Every spoiled credential is the same on the wire, whether Python or a script made it."""

from __future__ import annotations

import re

import httpx
import pytest
from recording_server import Wire, recording
from script_tools import NOW, account, bash, environment, exchange, finding, header

from conformance.curl import bash_script
from conformance.record import Auth
from conformance.suite.jwt_flaws import JWT_FLAWS, JwtFlaw
from conformance.suite.key_flaws import KEY_FLAWS
from conformance.suite.tampering import KeyFlaw, put_behind
from conformance.suite.two_credentials import GOOD_TOKEN, PAIRS, Pair
from conformance.target.settings import Account
from conformance.target.signing import ApiKeyAuth, BesideAuth, JwtAuth

OWNER, OTHER = account("owner"), account("counterparty")
# no letters: no other case
PLAIN = Account("owner", "not-a-jwt-but-opaque-0123456789", OWNER.expired_jwt, "0123456789", "9876543210")
PATH = "/spot/orders/9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"
RANDOM = {"random secret", "random key"}
SIGNED = [*KEY_FLAWS, *JWT_FLAWS]


def by_python(base_url: str, flaw: KeyFlaw | JwtFlaw, owner: Account, body: str | None) -> None:
    """Send one spoiled cancel as the suite does."""
    auth: httpx.Auth
    query = ""
    if isinstance(flaw, KeyFlaw):
        auth = ApiKeyAuth(owner, lambda: NOW, other=OTHER, before=flaw.before, after=flaw.after)
        query = flaw.query
    else:
        auth = JwtAuth(flaw.forge(owner), flaw.header)
    target = f"/api/v1{PATH}{'?' if query else ''}{query}"
    with httpx.Client(trust_env=False) as client:
        request = client.build_request(
            "DELETE", base_url, content=body.encode() if body else None, extensions={"target": target.encode()}
        )
        client.send(request, auth=auth)


def by_bash(base_url: str, owner: Account, body: str | None) -> None:
    """Send all spoiled cancels by one script; its clock stands still."""
    exchanges = []
    for n, flaw in enumerate(SIGNED, 1):
        scheme = "api_key" if isinstance(flaw, KeyFlaw) else "jwt"
        auth = Auth("owner", scheme, flaw.requirement, how=flaw.name)
        exchanges.append(exchange(n, "DELETE", PATH, auth, body=body, status=401))
    script = bash_script(exchanges, finding(1), header(base_url))
    script = script.replace("trap clean_up EXIT\n", f"trap clean_up EXIT\nnow_ms() {{ echo {NOW}; }}\n")
    run = bash(script, environment(owner, OTHER))
    assert (run.returncode, run.stderr) == (0, "")


def comparable(wire: Wire) -> tuple[object, ...]:
    """Header names have no case; everything else must agree to the byte."""
    return wire.method, wire.target, tuple((key.lower(), value) for key, value in wire.headers), wire.body


@pytest.mark.parametrize(
    ("owner", "body"),
    [(OWNER, None), (PLAIN, '{"id": "a\'b\\n$HOME"}')],
    ids=["usual", "with a body, and credentials without letters"],
)
def test_every_flaw_is_the_same_on_the_wire(owner: Account, body: str | None) -> None:
    with recording() as python, recording() as script:
        for flaw in SIGNED:
            by_python(python.base_url, flaw, owner, body)
        by_bash(script.base_url, owner, body)
    assert len(python.requests) == len(script.requests) == len(SIGNED)
    for flaw, one, other in zip(SIGNED, python.requests, script.requests, strict=True):
        if flaw.name in RANDOM:
            assert random_apart(one) == random_apart(other), flaw
            assert one != other
        else:
            assert comparable(one) == comparable(other), flaw
    # a recipe that spoils nothing would agree with a flaw that spoils nothing
    spoiled = set(map(comparable, script.requests))
    assert len(spoiled) == len(SIGNED) or owner is PLAIN  # an opaque token has no parts to spoil apart
    assert not spoiled & good(owner, body)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.scheme} {pair.name}")
def test_two_credentials_are_the_same_on_the_wire(pair: Pair) -> None:
    """Also which of the two comes first."""
    good_one = ApiKeyAuth(OTHER, lambda: NOW) if pair.scheme == "api_key" else JwtAuth(f"Bearer {OTHER.jwt}")
    auth = Auth("counterparty", pair.scheme, either=True, how=pair.name)
    assert sent_by_python(pair.make(good_one, OWNER)) == sent_by_bash(auth)


def test_other_good_requests_are_the_same_on_the_wire() -> None:
    beside = BesideAuth(ApiKeyAuth(OWNER, lambda: NOW), "Authorization", f"Bearer {OWNER.jwt}")
    assert sent_by_python(beside) == sent_by_bash(Auth("owner", "api_key", either=True, how=GOOD_TOKEN))
    behind = ApiKeyAuth(OWNER, lambda: NOW, before=put_behind("note=1"))
    assert sent_by_python(behind) == sent_by_bash(Auth("owner", "api_key", how="note=1 behind the timestamp"))


def test_body_is_labelled_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one as JSON again."""
    monkeypatch.setattr("recording_server._INTERESTING", {"content-type"})
    auth, form = Auth("owner", "jwt"), ("content-type", "application/x-www-form-urlencoded")
    with recording() as server:
        sent = [
            exchange(1, "DELETE", PATH, auth, body="id=1&a=b", status=400, headers=[form]),
            exchange(2, "DELETE", PATH, auth, body="{}", status=400),
        ]
        run = bash(bash_script(sent, finding(1), header(server.base_url)), environment(OWNER))
        assert (run.returncode, run.stderr) == (0, "")
    labels = [[value for _, value in wire.headers] for wire in server.requests]
    assert labels == [["application/x-www-form-urlencoded"], ["application/json"]]


def sent_by_python(signer: httpx.Auth) -> tuple[object, ...]:
    """What one cancel with this credential is on the wire."""
    with recording() as server, httpx.Client(trust_env=False) as client:
        request = client.build_request("DELETE", server.base_url, extensions={"target": f"/api/v1{PATH}".encode()})
        client.send(request, auth=signer)
    (wire,) = server.requests
    return comparable(wire)


def sent_by_bash(auth: Auth) -> tuple[object, ...]:
    """The same by a script; its clock stands still."""
    with recording() as server:
        one = exchange(1, "DELETE", PATH, auth, status=401)
        script = bash_script([one], finding(1), header(server.base_url))
        script = script.replace("trap clean_up EXIT\n", f"trap clean_up EXIT\nnow_ms() {{ echo {NOW}; }}\n")
        run = bash(script, environment(OWNER, OTHER))
        assert (run.returncode, run.stderr) == (0, "")
    (wire,) = server.requests
    return comparable(wire)


def good(owner: Account, body: str | None) -> set[tuple[object, ...]]:
    """The two requests that no flaw may look like."""
    content = body.encode() if body else None
    with recording() as server, httpx.Client(trust_env=False) as client:
        for auth in (ApiKeyAuth(owner, lambda: NOW), JwtAuth(f"Bearer {owner.jwt}")):
            extensions = {"target": f"/api/v1{PATH}".encode()}
            client.send(
                client.build_request("DELETE", server.base_url, content=content, extensions=extensions), auth=auth
            )
        return set(map(comparable, server.requests))


def random_apart(wire: Wire) -> tuple[object, ...]:
    """A request without what was drawn: a signature under a random secret, or a random key."""
    target = re.sub(r"signature=[0-9a-f]{64}$", "signature=", wire.target)
    headers = tuple((k.lower(), re.sub(r"^[0-9a-f]{32}$", "random", v)) for k, v in wire.headers)
    return wire.method, target, headers, wire.body


def test_the_flaws_have_names_of_their_own() -> None:
    names = [(flaw.requirement, flaw.name) for flaw in SIGNED]
    assert len(set(names)) == len(names) >= 75
