"""Whatever a target says, a script does what it shows and nothing else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from recording_server import recording
from script_tools import account, bash, environment, exchange, finding, header

from conformance.bash import HELPERS, PRELUDE
from conformance.curl import bash_script
from conformance.record import Auth, Exchange

OWNER = account("owner")
JWT, KEY = Auth("owner", "jwt"), Auth("owner", "api_key")
HOSTILE = [
    "$(touch {file})",
    "`touch {file}`",
    "'; touch {file}; '",
    '"; touch {file}; "',
    "\ntouch {file}\n",
    "\r\n\ttouch {file} #",
    "x\\'; touch {file}; \\'",
    "\u2028touch {file}\u2029",
    "@/etc/passwd",
    "${{IFS}}$((1)) & touch {file} &",
    "\x1b]0;title\x07\x1b[2J é€\x85\xff",
    "EOF\ntouch {file}\nEOF",
    "-o {file}",
]


def order_of(text: str) -> list[Exchange]:
    """An order whose id is hostile, placed, looked at and canceled; the errors are hostile too."""
    answer = json.dumps({"id": text, "symbol": text, "error": text})
    return [
        exchange(1, "POST", "/spot/orders", JWT, body=json.dumps({"symbol": text}), answer=answer),
        exchange(2, "DELETE", f"/spot/orders/{text.encode('utf-8').decode('latin-1')}", KEY, answer=answer),
        exchange(3, "GET", f"/spot/orders?symbol={text}", None, answer=text, headers=[("x-order-id", text)]),
    ]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_never_run(number: int, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    text = HOSTILE[number].format(file=file)
    shown = finding(2, 3, message=text, expected=text, seen=text)
    shown.case = shown.requirement = text
    with recording(json.dumps({"id": text, "error": text}).encode()) as server:
        script = bash_script(order_of(text), shown, header(server.base_url))
        run = bash(script, environment(OWNER))
        assert run.returncode in (0, 3), run.stderr
        assert not file.exists()
        assert "\x1b" not in run.stdout
        bodies = [json.loads(wire.body) for wire in server.requests if wire.body]
        assert bodies == [{"symbol": text}]
    assert not [line for line in script.splitlines() if line.lstrip().startswith("touch")]
    for secret in (OWNER.jwt, OWNER.api_key, OWNER.api_secret):
        assert str(secret) not in script
        assert str(secret) not in run.stdout + run.stderr


def test_a_body_goes_out_to_the_byte() -> None:
    body = '@file {"a": "é€\'\\"\\\\ $HOME `x`\\n", "b": [1]}\n\tend '
    with recording() as server:
        script = bash_script(
            [exchange(1, "POST", "/spot/orders", KEY, body=body, status=400)], finding(1), header(server.base_url)
        )
        assert bash(script, environment(OWNER)).returncode == 0
    assert server.requests[0].body == body.encode()


def test_a_target_goes_out_to_the_byte() -> None:
    paths = ["/spot/orders/%zz", "/spot/orders/../x//y", "/spot/orders/a%2Fb?c=[d]{e}&&f", "/spot/orders/%00'\"*~"]
    with recording() as server:
        exchanges = [exchange(n, "DELETE", path, JWT, status=400) for n, path in enumerate(paths, 1)]
        assert bash(bash_script(exchanges, finding(1), header(server.base_url)), environment(OWNER)).returncode == 0
    assert [wire.target for wire in server.requests] == [f"/api/v1{path}" for path in paths]


def test_a_missing_credential_is_said_and_nothing_is_sent() -> None:
    with recording() as server:
        script = bash_script([exchange(1, "DELETE", "/spot/orders/x", KEY)], finding(1), header(server.base_url))
        run = bash(script, environment())
    assert (run.returncode, run.stderr) == (2, "export SPOT_CONFORMANCE_OWNER_API_KEY first\n")
    assert server.requests == []


def test_an_order_that_is_not_placed_never_leaves_an_empty_id() -> None:
    """`DELETE /spot/orders/` could mean every order."""
    order_id = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"
    exchanges = [
        exchange(1, "POST", "/spot/orders", JWT, body="{}", answer=json.dumps({"id": order_id})),
        exchange(2, "DELETE", f"/spot/orders/{order_id}", JWT),
    ]
    with recording(b'{"error": "INSUFFICIENT_BALANCE"}', 400) as server:
        run = bash(bash_script(exchanges, finding(2), header(server.base_url)), environment(OWNER))
    assert run.returncode == 3
    assert "not placed" in run.stderr
    deletes = [wire.target for wire in server.requests if wire.method == "DELETE"]
    assert deletes == ["/api/v1/spot/orders/00000000-0000-4000-8000-000000000000"] * 2


def test_ids_are_those_of_the_fresh_orders_in_every_form() -> None:
    old, new = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d1f", "11111111-2222-4333-8444-55555555555f"
    forms = [
        old,
        old.upper(),
        old[:-1],
        old[1:],
        old + "0",
        "x" + old,
        old[:-1] + "0",
        old.replace("-", ""),
        old[:8],
    ]
    wanted = [
        new,
        new.upper(),
        new[:-1],
        new[1:],
        new + "0",
        "x" + new,
        new[:-1] + "0",
        new.replace("-", ""),
        new[:8],
    ]
    placed = exchange(1, "POST", "/spot/orders", JWT, body="{}", answer=json.dumps({"id": old}))
    exchanges = [placed, *(exchange(n, "DELETE", f"/spot/orders/{form}", JWT) for n, form in enumerate(forms, 2))]
    answer = json.dumps({"fills": [{"id": "no"}], "id": new}).encode()
    with recording(answer) as server:
        assert bash(bash_script(exchanges, finding(2), header(server.base_url)), environment(OWNER)).returncode == 0
    sent = [wire.target.rsplit("/", 1)[1] for wire in server.requests[1:]]
    assert sent == [*wanted, new]  # and the clean-up


def test_what_a_run_waited_for_is_waited_for() -> None:
    first, second = exchange(1, "GET", "/spot/orders/x", JWT), exchange(2, "GET", "/spot/orders/x", JWT)
    second.start, second.end = first.end + 3.25, first.end + 3.3
    assert "\nsleep 3.2\n" in bash_script([first, second], finding(2), header("http://127.0.0.1:1/api/v1"))


def test_the_target_clock_is_kept() -> None:
    ahead = exchange(1, "DELETE", "/spot/orders/x?timestamp=1778400060123&signature=«signature»", KEY)
    assert "\nCLOCK=60000\n" in bash_script([ahead], finding(1), header("http://127.0.0.1:1/api/v1"))


def test_a_credential_that_the_record_does_not_explain_is_not_guessed() -> None:
    unknown = exchange(1, "DELETE", "/spot/orders/x", Auth("owner", "jwt", "cancel.jwt.garbage"))
    with recording() as server:
        run = bash(bash_script([unknown], finding(1), header(server.base_url)), environment(OWNER))
    assert (run.returncode, server.requests) == (3, [])


def test_the_functions_are_sound_bash() -> None:
    text = PRELUDE + "".join(HELPERS.values())
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""
    for newer in ("${1^^}", "^^}", ",,}", "declare -A", "mapfile", "local -n", "|&", "&>>"):
        assert newer not in text, "not in bash 3.2"
