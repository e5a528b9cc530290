"""Results to make reports of, built on the real contract: conformant, violated, undecided, hostile, large."""

from __future__ import annotations

import msgspec

from conformance.contract import load_contract
from conformance.report.result import (
    SCHEMA,
    CaseResult,
    Driver,
    FieldDiff,
    Finding,
    Latency,
    Observation,
    Race,
    RaceOperation,
    RequirementResult,
    Result,
    Step,
)

ORDER = "9f2a1c4e-5b67-4d8a-bf93-2e1f4a6c8d10"
# what a malicious server may put into any string
HOSTILE = (
    "<script>alert(1)</script>",
    "]]>",
    "--><img src=http://evil.example/x onerror=alert(1)>",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe\u2066",
    "nul\x00 bell\x07 del\x7f c1\x9b31m",
    "lone \ud800 surrogate, \uffff no character",
    "{{ 7 * 7 }} {% raw %}",
    "\n::error title=gotcha::from the target\n##[error]and this",
    "`````\n# heading | cell ![x](http://evil.example/p)",
    "[bold red]markup[/bold red] [/]",
    "' onmouseover='alert(1)' \" autofocus onfocus=\"alert(1)",
)

# levels may be argued over: what is a SHOULD is looked up
A_SHOULD = next(i for i, r in load_contract().requirements.items() if r.level == "SHOULD" and not r.unseen)


def requirement(identifier: str, verdict: str = "held", **more: object) -> RequirementResult:
    """The contract's requirement `identifier` with `verdict`."""
    known = load_contract().requirements[identifier]
    values: dict[str, object] = {
        "checks": 12 + 7 * (known.rank % 9),
        "cases": [f"suite/test_{known.chapter}.py::test_{identifier.split('.')[-1].replace('-', '_')}"],
    }
    if verdict == "not_exercised":
        values = {"checks": 0, "reason": known.unseen or "not selected"}
    return RequirementResult(
        id=identifier,
        level=str(known.level),
        verdict=verdict,
        chapter=known.chapter,
        text=known.text,
        source=list(known.source),
        trader=known.trader,
        **{**values, **more},  # type: ignore[arg-type]
    )


def result(overrides: dict[str, RequirementResult] | None = None, **more: object) -> Result:
    """A run in which all that can be seen held, but for `overrides`; the verdict follows from them."""
    contract = load_contract()
    rows = [
        (overrides or {}).get(i) or requirement(i, "not_exercised" if r.unseen else "held")
        for i, r in contract.requirements.items()
    ]
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        level = counts.setdefault(row.level, {})
        level[row.verdict] = level.get(row.verdict, 0) + 1
    must = counts["MUST"]
    verdict = "violated" if must.get("violated") else "undecided" if must.get("undecided") else "conformant"
    values: dict[str, object] = {
        "verdict": verdict,
        "exit_status": {"conformant": 0, "violated": 1, "undecided": 3}[verdict],
        "reason": "",
        "requirements": rows,
        "cases": cases(),
        "latency": latency(),
        "drivers": [
            Driver("cases", 612, "118 cases, one file a chapter"),
            Driver("fuzz", 480, "every operation of the OpenAPI document, positive and negative"),
            Driver("stateful", 131, "40 runs of up to 12 steps"),
            Driver("races", 96, "24 races, all overlapped"),
        ],
        "chapters": [{"id": c.id, "title": c.title, "about": c.about} for c in contract.chapters.values()],
        "disagreements": [msgspec.json.decode(msgspec.json.encode(d)) for d in contract.disagreements],
        "left_open": [msgspec.json.decode(msgspec.json.encode(d)) for d in contract.left_open],
        "observations": [
            Observation(
                "cancel.key.replay",
                "A signed query worked on a second order of the same user inside the window: path and method "
                "are not signed.",
            )
        ],
        "races": [race("Four cancels of one order"), race("Cancel against a crossing order", "unknown")],
    }
    return Result(
        schema=SCHEMA,
        suite_version="0.1.0",
        contract_digest=contract.digest,
        base_url="https://api-sepolia.p99.world/api/v1",
        symbol="DFUSDT",
        seed=20261122,
        profile="standard",
        started_at="2026-11-22T15:36:04+00:00",
        duration_s=73.4,
        requests=1319,
        command="spot-conformance run --base-url https://api-sepolia.p99.world/api/v1 --seed 20261122",
        counts=counts,
        environment={"python": "3.11.7", "platform": "Linux x86_64", "httpx": "0.28.1", "schemathesis": "4.32.5"},
        target={"clock offset": "+212 ms ± 38 ms", "tick_size": "0.0001", "lot_size": "0.01", "min_notional": "1"},
        cleanup={"canceled": 41, "left over": 0, "complete": True},
        **{**values, **more},  # type: ignore[arg-type]
    )


def cases(count: int = 118) -> list[CaseResult]:
    """Cases one after the other over all chapters, a few of them overlapping."""
    chapters = list(load_contract().chapters)
    found, at = [], 0.0
    for n in range(count):
        chapter = chapters[n * len(chapters) // count]
        took = 0.12 + (n * 37 % 11) * 0.07
        name = f"suite/test_{chapter}.py::test_{chapter}_{n}"
        found.append(CaseResult(name, chapter, "passed", took, at))
        at += took * 0.9
    return found


def latency() -> list[Latency]:
    """Two operations with different shapes."""
    bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    return [
        Latency(
            "cancel",
            702,
            11.8,
            41.0,
            88.2,
            143.0,
            list(zip(bounds, [0, 3, 60, 240, 310, 70, 15, 4, 0, 0], strict=True)),
        ),
        Latency(
            "place",
            401,
            17.2,
            64.0,
            120.4,
            402.1,
            list(zip(bounds, [0, 0, 11, 90, 200, 80, 12, 6, 2, 0], strict=True)),
        ),
    ]


def race(name: str, verdict: str = "linearizable", overlapped: bool = True) -> Race:
    """Four operations on one order that overlap."""
    return Race(
        name,
        ORDER,
        overlapped,
        verdict,
        [
            RaceOperation("owner 1", "cancel", 0.0, 9.4, "200 canceled"),
            RaceOperation("owner 2", "cancel", 0.3, 11.9, "404 ORDER_NOT_FOUND"),
            RaceOperation("owner 3", "cancel", 0.4, 14.2, "404 ORDER_NOT_FOUND"),
            RaceOperation("counterparty", "place, crossing", 2.1, 12.6, "open, no fill"),
        ],
    )


def steps(*, noisy: bool = False) -> list[Step]:
    """Place, fill in part, cancel, look."""
    told = "HTTP/1.1 200 OK\ncontent-type: application/json\n\n" + '{"id": "' + ORDER + '", "status": "canceled"}'
    rows = [
        ("owner", "POST /spot/orders buy 100 at 0.5000", "200 open", 0.0, 18.2, "provision"),
        ("counterparty", "POST /spot/orders sell 30 at 0.4990", "200 filled", 24.0, 21.0, "provision"),
        ("owner", f"DELETE /spot/orders/{ORDER}", "200 canceled, filled_qty 0", 52.4, 12.1, "act"),
        ("owner", f"GET /spot/orders/{ORDER}", "200 canceled, filled_qty 30", 71.0, 9.7, "look"),
    ]
    return [
        Step(
            n=201 + n,
            who=who,
            what=what,
            outcome=outcome,
            start_ms=start,
            took_ms=took,
            role=role,
            request=f"{what.split()[0]} /api/v1/spot/orders HTTP/1.1\nX-MBX-APIKEY: $API_KEY"
            if not noisy
            else told,
            response=told,
        )
        for n, (who, what, outcome, start, took, role) in enumerate(rows)
    ]


CURL = f"""\
TIMESTAMP=$(date +%s%3N)
SIGNATURE=$(printf %s "timestamp=$TIMESTAMP" | openssl dgst -sha256 -hmac "$OWNER_SECRET" | awk '{{print $NF}}')
curl -sS -X DELETE -H "X-MBX-APIKEY: $OWNER_KEY" \\
  "$BASE_URL/spot/orders/{ORDER}?timestamp=$TIMESTAMP&signature=$SIGNATURE"
"""


def finding(identifier: str = "F1", **more: object) -> Finding:
    """A wrong status, as a finding."""
    values: dict[str, object] = {
        "message": "Another user's open order was answered as if it did not exist",
        "expected": '403 {"error": "FORBIDDEN"}',
        "seen": '404 {"error": "ORDER_NOT_FOUND"}',
        "case": "suite/test_errors.py::test_foreign_open_order",
        "curl": CURL,
        "exchanges": [203, 311, 402],
        "times": 3,
        "of": 3,
        "steps": steps(),
    }
    return Finding(id=identifier, **{**values, **more})  # type: ignore[arg-type]


def order_diff() -> list[FieldDiff]:
    """All fourteen fields, two of them wrong."""
    good = {
        "id": ORDER, "symbol": "DFUSDT", "side": "buy", "type": "limit", "tif": "gtc", "price": "0.5000",
        "quantity": "100", "quote_quantity": "null", "status": "canceled", "reject_reason": "null",
        "created_at": "1778400000", "updated_at": "1778400120",
    }  # fmt: skip
    rows = [FieldDiff(name, value, value, True) for name, value in good.items()]
    rows.insert(8, FieldDiff("filled_qty", "30", "0", False))
    rows.insert(9, FieldDiff("avg_fill_price", "0.499", "0", False))
    return rows


def conformant() -> Result:
    """A whole run in which every MUST that can be seen held."""
    return result()


def violated() -> Result:
    """A rich result: MUST and SHOULD violated, some undecided, not exercised and waived, a race lost."""
    no_fills = "The market would not match the crossing order (MARKET_HALTED, 3 tries)"
    need_burst = "Needs --overload, which sends many requests at once"
    findings = {
        "cancel.errors.forbidden": [finding("F1")],
        "cancel.fields.filled-qty": [
            finding(
                "F2",
                message="filled_qty is not what had filled before the cancel",
                expected="30 (one fill of 30 at 0.4990)",
                seen="0",
                times=4,
                of=11,
                why="The ledger has one fill before the cancel, exchange 202; a later query shows 30.",
                diff=order_diff(),
                case="suite/test_fields.py::test_filled_qty_after_one_fill",
            ),
            finding(
                "F3",
                message="filled_qty changed between the cancel and the next read",
                expected="0",
                seen="30",
                times=1,
                of=1,
            ),
            finding("F4", message="filled_qty is a number", expected='"30"', seen="30", times=1, of=9),
        ],
        "cancel.races.one-winner": [
            finding(
                "F5",
                message="Two of four concurrent cancels were answered 200",
                expected="one 200, three 404 ORDER_NOT_FOUND",
                seen="two 200, two 404",
                times=2,
                of=24,
                case="races::four_cancels",
                steps=[],
            )
        ],
        A_SHOULD: [
            finding(
                "F6",
                message="An id in upper case was not taken as the same order",
                expected="200 with the order",
                seen='404 {"error": "ORDER_NOT_FOUND"}',
                times=38,
                of=38,
                steps=[],
            )
        ],
    }
    overrides = {i: requirement(i, "violated", findings=found) for i, found in findings.items()}
    for name in (
        "cancel.fields.avg-fill-price",
        "cancel.effects.off-book",
        "cancel.effects.fills-kept",
        "cancel.success.partially-filled",
    ):
        overrides[name] = requirement(name, "undecided", reason=no_fills, checks=0)
    overrides["cancel.jwt.expired"] = requirement(
        "cancel.jwt.expired",
        "undecided",
        reason="No expired JWT was given (SPOT_CONFORMANCE_OWNER_EXPIRED_JWT)",
        checks=0,
    )
    for name in (
        "cancel.unavailable.form",
        "cancel.unavailable.no-effect",
        "cancel.unavailable.transient",
        "cancel.unavailable.busy",
    ):
        overrides[name] = requirement(name, "not_exercised", reason=need_burst, checks=0)
    overrides["cancel.key.signature.covers-order"] = requirement(
        "cancel.key.signature.covers-order",
        "waived",
        reason="Known, to be mended by the venue in the next release",
        findings=[
            finding(
                "F7",
                message="A query in another order than the signed one was accepted",
                expected="401",
                seen="200",
                waived=True,
            )
        ],
    )
    made = result(
        overrides,
        races=[
            race("Four cancels of one order", "violated"),
            race("Cancel against a crossing order"),
            race("Cancel against cancel-all", "unknown", False),
        ],
    )
    for n, outcome in (
        (14, "failed"),
        (15, "failed"),
        (61, "failed"),
        (66, "undecided"),
        (70, "undecided"),
        (98, "not_exercised"),
        (112, "failed"),
    ):
        made.cases[n].outcome = outcome
        if outcome == "undecided":
            made.cases[n].reason = no_fills
    return made


def undecided() -> Result:
    """A run that decided nothing about fills."""
    names = ("cancel.fields.filled-qty", "cancel.effects.off-book")
    reason = "No counterparty was given"
    return result({n: requirement(n, "undecided", reason=reason, checks=0) for n in names}, reason=reason)


def hostile() -> Result:
    """A violated result in which the target has filled every string it can reach."""
    rows = []
    for n, text in enumerate(HOSTILE):
        evil = finding(
            f"F{n + 1}",
            message=f"seen: {text}",
            expected=text,
            seen=text * 3,
            why=text,
            curl=text,
            case=text,
            diff=[FieldDiff("status", text, text, False)],
            steps=[Step(1000 + n, text, text, text, 0.0, 1.0, "act", text, text)],
        )
        rows.append(evil)
    everything = " ".join(HOSTILE)
    return result(
        {
            "cancel.errors.forbidden": requirement("cancel.errors.forbidden", "violated", findings=rows),
            "cancel.jwt.expired": requirement(
                "cancel.jwt.expired", "undecided", reason=everything, cases=[everything]
            ),
        },
        reason=everything,
        races=[
            Race(everything, everything, True, "unknown", [RaceOperation(everything, everything, 0, 1, everything)])
        ],
        observations=[Observation("cancel.key.replay", everything)],
        latency=[Latency(everything, 1, 1.0, 1.0, 1.0, 1.0, [(1.0, 1)])],
        drivers=[Driver(everything, 1, everything)],
        cases=[CaseResult(everything, "errors", "failed", 1.0, 0.0, everything)],
        disagreements=[
            {
                "id": "x",
                "question": everything,
                "cancel_order": everything,
                "elsewhere": everything,
                "requirements": [],
            }
        ],
        left_open=[{"id": "x", "question": everything, "accepted": everything, "requirements": []}],
    )


def large(exchanges: int = 5_000) -> Result:
    """A run whose findings tell `exchanges` exchanges, each with a request and an answer of 1 kB."""
    identifiers = [i for i, r in load_contract().requirements.items() if not r.unseen][:50]
    per = exchanges // len(identifiers)
    overrides = {}
    for at, name in enumerate(identifiers):
        told = [
            Step(
                at * per + n,
                "owner",
                f"DELETE /spot/orders/{ORDER}",
                "500",
                n * 12.0,
                9.0,
                "act",
                "q" * 300,
                "a" * 700,
            )
            for n in range(per)
        ]
        overrides[name] = requirement(
            name,
            "violated",
            findings=[finding(f"F{at + 1}", steps=told, exchanges=list(range(at * per, at * per + per)))],
            cases=[f"suite/test_many.py::test_{n}" for n in range(400)],
        )
    return result(overrides, cases=cases(2_000), races=[race(f"Race {n}") for n in range(300)])


def small() -> Result:
    """A few requirements in words of their own, so that a snapshot does not change with the contract."""

    def row(identifier: str, verdict: str, level: str = "MUST", **more: object) -> RequirementResult:
        return RequirementResult(
            id=identifier,
            level=level,
            verdict=verdict,
            chapter=identifier.split(".")[1],
            text=f"{level} do what {identifier.split('.')[-1]} says, in a sentence long enough for a second line.",
            source=["Cancel Order / Description"],
            trader="Something is lost.",
            checks=0 if verdict in ("undecided", "not_exercised") else 5,
            **more,  # type: ignore[arg-type]
        )

    rows = [
        row("cancel.errors.first", "violated", findings=[finding("F1")]),
        row(
            "cancel.fields.second",
            "violated",
            findings=[
                finding(f"F{n}", message="A field differs", diff=order_diff() if n == 2 else [], times=1, of=n)
                for n in range(2, 7)
            ],
        ),
        row("cancel.fields.third", "violated", "SHOULD", findings=[finding("F7", why="Because of the ledger.")]),
        row("cancel.effects.fourth", "undecided", reason="The market would not match the crossing order."),
        row("cancel.effects.fifth", "undecided", reason="The market would not match the crossing order."),
        *(row(f"cancel.unavailable.n{n}", "not_exercised", reason="Needs --overload.") for n in range(10)),
        row("cancel.races.sixth", "waived", reason="Known.", findings=[finding("F8", waived=True)]),
        *(row(f"cancel.answers.n{n}", "held") for n in range(4)),
    ]
    return Result(
        schema=SCHEMA,
        suite_version="0.1.0",
        contract_digest="0123456789abcdef",
        verdict="violated",
        exit_status=1,
        reason="",
        base_url="http://127.0.0.1:8080/api/v1",
        symbol="DFUSDT",
        seed=7,
        profile="standard",
        started_at="2026-11-22T15:36:04Z",
        duration_s=73.4,
        requests=1319,
        command="spot-conformance run --seed 7",
        counts={},
        requirements=rows,
    )
