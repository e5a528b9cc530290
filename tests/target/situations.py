"""What can be wrong when somebody points the suite at a target for the first time, and what is to be said of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from conformance.reference.settings import Market, Settings

Env = dict[str, str]
OWNER, COUNTERPARTY = "SPOT_CONFORMANCE_OWNER_", "SPOT_CONFORMANCE_COUNTERPARTY_"
BASE_URL, SYMBOL = "SPOT_CONFORMANCE_BASE_URL", "SPOT_CONFORMANCE_SYMBOL"


@dataclass(frozen=True)
class Situation:
    """A target, the user's settings for it, and what is said.

    `change` has what differs in the user's environment (None: not set). `doctor` has what its output must contain,
    the remedy included, and `status` its exit status; `run` what a run must say, in warnings or reasons, and
    `status_of_run` its exit status; `held` and `not_held` are requirements that it shows all the same, or not.
    """

    settings: Settings = field(default_factory=Settings)
    change: Callable[[Env], Mapping[str, str | None]] = lambda env: {}
    doctor: tuple[str, ...] = ()
    status: int = 3
    run: tuple[str, ...] = ()
    status_of_run: int = 3
    held: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def hook(name: str, **more: Any) -> Settings:
    return Settings(hooks=(f"situation_hooks:{name}",), **more)


def _path(path: str) -> Callable[[Env], Mapping[str, str | None]]:
    return lambda env: {BASE_URL: env[BASE_URL].removesuffix("/api/v1") + path}


def _without(*names: str) -> Callable[[Env], Mapping[str, str | None]]:
    return lambda env: dict.fromkeys(names)


def _swapped(*names: str) -> Callable[[Env], Mapping[str, str | None]]:
    def change(env: Env) -> Mapping[str, str | None]:
        return {
            **{OWNER + name: env[COUNTERPARTY + name] for name in names},
            **{COUNTERPARTY + name: env[OWNER + name] for name in names},
        }

    return change


def _token(**claims: Any) -> Callable[[Env], Mapping[str, str | None]]:
    def change(env: Env) -> Mapping[str, str | None]:
        return {OWNER + "JWT": jwt.encode({"sub": "owner", **claims}, "somebody's key, 32 bytes at least")}

    return change


KEY = ("API_KEY", "API_SECRET")
EVERY = ("JWT", *KEY)
HALTED = Market(status="halted")
PLAIN = ("cancel.errors.not-found.unknown",)

SITUATIONS: dict[str, Situation] = {
    "all is well": Situation(doctor=("A run can work",), status=0, status_of_run=0, held=PLAIN),
    "base path missing": Situation(
        change=_path(""),
        doctor=(
            "✗ base path: GET /spot/markets answers 404 and no markets",
            "→ set base_url to http://",
            "/api/v1\n",
        ),
        run=("answers 404 and no markets", "hint: set base_url to http://"),
    ),
    "base path of another version": Situation(
        change=_path("/api/v2"), doctor=("✗ base path: GET /api/v2/spot/markets answers 404", "/api/v1\n")
    ),
    "base path too long": Situation(
        change=_path("/api/v1/spot"), doctor=("✗ base path: GET /api/v1/spot/spot/markets", "/api/v1\n")
    ),
    "API at the root": Situation(
        settings=Settings(base_path=""),
        change=lambda env: {BASE_URL: env[BASE_URL] + "/api/v1"},
        doctor=("✗ base path", "→ set base_url to http://127.0.0.1:"),
    ),
    "a login page": Situation(
        settings=hook("login_page"),
        doctor=("✗ base path: GET /api/v1/spot/markets answers 200 with a web page", "→ look at the host"),
        run=("with a web page", "hint: look at the host"),
    ),
    "wrong symbol": Situation(
        change=lambda env: {SYMBOL: "df-usdt"},
        doctor=("✗ market: the target has no market 'df-usdt'", "→ did you mean 'DFUSDT'? It has DFUSDT"),
        run=("no market 'df-usdt'", "did you mean 'DFUSDT'?"),
    ),
    "halted market": Situation(
        settings=Settings(markets=(HALTED, Market.of("ETHUSDT"))),
        change=lambda env: {SYMBOL: "DFUSDT"},
        doctor=("✗ market: the market DFUSDT is halted", "→ name another with --symbol: ETHUSDT", "– placing"),
        run=("the market DFUSDT is halted",),
        held=PLAIN,
        not_held=("cancel.success.open",),
    ),
    "delisted market, no other": Situation(
        settings=Settings(markets=(Market(status="delisted"),)),
        doctor=("✗ market: the market DFUSDT is delisted", "→ ask its operator"),
        run=("the market DFUSDT is delisted",),
        held=PLAIN,
    ),
    "halted, and listed all the same": Situation(
        settings=hook("halted_in_secret"),
        doctor=(
            "✗ owner: jwt may trade: the market DFUSDT takes no orders: MARKET_HALTED",
            "→ name another market",
        ),
        run=("takes no orders: MARKET_HALTED",),
        held=PLAIN,
    ),
    "trading disabled": Situation(
        settings=Settings(trading_enabled=False),
        doctor=("no order can be placed: new_order: still 503 spot trading disabled", "→ trading is switched off"),
        run=("still 503 spot trading disabled",),
        not_held=("cancel.success.open",),
    ),
    "one account": Situation(
        change=_without(*(COUNTERPARTY + name for name in EVERY)),
        doctor=("– no counterparty account", "→ set SPOT_CONFORMANCE_COUNTERPARTY_JWT", "A run can work"),
        status=0,
        run=("no counterparty account was given",),
        status_of_run=0,
        held=(*PLAIN, "cancel.success.by-jwt"),
        not_held=("cancel.errors.forbidden",),
    ),
    "tokens only": Situation(
        change=_without(*(account + name for account in (OWNER, COUNTERPARTY) for name in KEY)),
        doctor=("– no api_key of the owner", "→ set SPOT_CONFORMANCE_OWNER_API_KEY and …_API_SECRET"),
        status=0,
        run=("has no api_key",),
        status_of_run=0,
        held=(*PLAIN, "cancel.errors.forbidden", "cancel.jwt.missing"),
        not_held=("cancel.success.by-api-key",),
    ),
    "keys only": Situation(
        change=_without(*(account + "JWT" for account in (OWNER, COUNTERPARTY))),
        doctor=("– no jwt of the owner", "→ set SPOT_CONFORMANCE_OWNER_JWT"),
        status=0,
        run=("has no jwt",),
        status_of_run=0,
        held=(*PLAIN, "cancel.errors.forbidden"),
        not_held=("cancel.success.by-jwt",),
    ),
    "tokens that are soon no good": Situation(
        settings=Settings(jwt_lifetime_s=12),
        status=0,
        run=("the jwt of the owner account expires during the run: give one that is good for longer",),
        not_held=("cancel.success.by-jwt",),
    ),
    "read-only key": Situation(
        settings=hook("read_only_keys"),
        doctor=(
            "✗ owner: api_key may trade: the api_key of the owner account may only read: placing gets 403, cancel",
            "→ allow it to trade, or set another SPOT_CONFORMANCE_OWNER_API_KEY",
            "✗ counterparty: api_key may trade",
            "✓ can cancel",
        ),
        run=(
            "WARNING: the api_key of the owner account may only read",
            "the api_key of the owner account may only",
        ),
        held=(*PLAIN, "cancel.errors.forbidden", "cancel.success.by-jwt"),
        not_held=("cancel.success.by-api-key",),
    ),
    "read-only key, by 401": Situation(
        settings=hook("read_only_keys_401"),
        doctor=("may only read: placing gets 401, canceling gets 401",),
        run=("the api_key of the owner account may only read",),
        held=(*PLAIN, "cancel.success.by-jwt"),
    ),
    "read-only tokens": Situation(
        settings=hook("read_only_tokens"),
        doctor=("the jwt of the owner account may only read: placing gets 403, canceling gets 403",),
        run=("the jwt of the owner account may only read",),
        held=(*PLAIN, "cancel.success.by-api-key"),
    ),
    "read-only key and nothing else": Situation(
        settings=hook("read_only_keys"),
        change=_without(OWNER + "JWT", COUNTERPARTY + "JWT"),
        doctor=("✗ owner: api_key may trade: the api_key of the owner account may only read: placing gets 403",),
        run=("the api_key of the owner account may only read",),
    ),
    "read-only key on a halted market": Situation(
        settings=hook("read_only_keys", markets=(HALTED,)),
        doctor=("✗ market: the market DFUSDT is halted",),
        run=("the market DFUSDT is halted", "the api_key of the owner account may only read: canceling gets 403"),
        held=PLAIN,
    ),
    "no balance to sell": Situation(
        settings=hook("owner_without_base"),
        doctor=(
            "✓ owner: can buy",
            "✗ owner: can sell as much as the plan needs: the owner account has not enough of the base token",
            "→ put base tokens on the owner account",
            "✓ can cancel",
        ),
        run=("WARNING: the owner account has not enough of the base token to sell", "400 INSUFFICIENT_BALANCE"),
        held=PLAIN,
    ),
    "no balance to buy": Situation(
        settings=hook("owner_without_quote"),
        doctor=("✗ owner: can buy as much as the plan needs", "→ put quote tokens on the owner account"),
        run=("WARNING: the owner account has not enough of the quote token to buy",),
    ),
    "no balance on one account": Situation(
        settings=hook("counterparty_without_anything"),
        doctor=("✗ counterparty: can buy", "✗ counterparty: can sell", "→ put base tokens on the counterparty"),
        run=("400 INSUFFICIENT_BALANCE",),
        held=PLAIN,
    ),
    "no balance at all": Situation(
        settings=hook("nobody_has_anything"),
        doctor=(
            "✗ room in the book: no account has the balance for the smallest order",
            "→ put some of both tokens",
        ),
        run=("no account has the balance for the smallest order",),
        held=PLAIN,
    ),
    "accounts swapped": Situation(change=_swapped(*EVERY), doctor=("A run can work",), status=0, status_of_run=0),
    "keys swapped": Situation(
        change=_swapped(*KEY),
        doctor=(
            "✗ whose credentials: the api_key of the owner account is another user's, and not that of its jwt; the "
            "api_key of the counterparty account is the owner's",
            "→ the accounts may be mixed up: look at SPOT_CONFORMANCE_OWNER_API_KEY",
        ),
        run=("the api_key of the owner account is another user's",),
        held=(*PLAIN, "cancel.success.by-jwt", "cancel.errors.forbidden"),
        not_held=("cancel.success.by-api-key",),
    ),
    "the same user twice": Situation(
        change=lambda env: {
            COUNTERPARTY + "JWT": None,
            **{COUNTERPARTY + name: env[OWNER + name] for name in KEY},
            **{OWNER + name: None for name in KEY},
        },
        doctor=(
            "✗ whose credentials: the api_key of the counterparty is the owner's",
            "→ the accounts may be mixed",
        ),
        run=("the api_key of the counterparty is the owner's: fills and foreign orders need two users",),
        held=(*PLAIN, "cancel.success.by-jwt"),
        not_held=("cancel.errors.forbidden",),
    ),
    "expired JWT": Situation(
        change=_token(exp=int(time.time()) - 3600),
        doctor=(
            "✗ owner: jwt accepted: the jwt of the owner account is refused (401): it expired at 20",
            "→ put a new one into SPOT_CONFORMANCE_OWNER_JWT",
            "✓ can cancel",
        ),
        run=("WARNING: the jwt of the owner account is refused (401): it expired at",),
        held=(*PLAIN, "cancel.success.by-api-key"),
    ),
    "JWT of another environment": Situation(
        change=_token(exp=int(time.time()) + 3600),
        doctor=(
            "the jwt of the owner account is refused (401)",
            "→ SPOT_CONFORMANCE_OWNER_JWT is wrong or of another",
        ),
        run=("the jwt of the owner account is refused",),
    ),
    "JWT that is none": Situation(
        change=lambda env: {OWNER + "JWT": "Bearer:x.y"},
        doctor=("refused (401), and it is no JSON Web Token", "→ look at SPOT_CONFORMANCE_OWNER_JWT: three parts"),
        run=("it is no JSON Web Token",),
    ),
    "wrong secret": Situation(
        change=lambda env: {OWNER + "API_SECRET": "0123456789abcdef"},
        doctor=(
            "✗ owner: api_key accepted: the api_key of the owner account is refused (401)",
            "→ SPOT_CONFORMANCE_OWNER_API_KEY or SPOT_CONFORMANCE_OWNER_API_SECRET is wrong",
        ),
        run=("the api_key of the owner account is refused (401)",),
        held=(*PLAIN, "cancel.success.by-jwt", "cancel.errors.forbidden"),
        not_held=("cancel.success.by-api-key", "cancel.key.signature.altered", "cancel.key.timestamp.stale"),
    ),
    "wrong secret, and nothing else": Situation(
        change=lambda env: {OWNER + "API_SECRET": "0123456789abcdef", OWNER + "JWT": None},
        doctor=("✗ owner: api_key accepted: the api_key of the owner account is refused (401)",),
        run=("the api_key of the owner account is refused (401)",),
    ),
    "nothing listens": Situation(
        change=lambda env: {BASE_URL: "http://127.0.0.1:9/api/v1"},
        doctor=("✗ reachable: markets: still ConnectError", "refused", "→ nothing listens there: look at host and"),
        run=("no contact with http://127.0.0.1:9/api/v1", "hint: nothing listens there"),
    ),
    "no such host": Situation(
        change=lambda env: {BASE_URL: "http://no-such-host.invalid/api/v1"},
        doctor=("✗ reachable: markets: still ConnectError", "→ "),
        arguments=("--allow-trading",),
    ),
    "https on a plain port": Situation(
        change=lambda env: {BASE_URL: env[BASE_URL].replace("http:", "https:")},
        doctor=("✗ TLS: markets: still ConnectError", "→ is it https at all?"),
        run=("hint: is it https at all?",),
    ),
}
