"""Where the target is and who we are there: flags win over environment over `conformance.toml`."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.errors import ConfigError

PREFIX = "SPOT_CONFORMANCE_"
_SECRETS = ("jwt", "expired_jwt", "api_key", "api_secret")
_MIN_SECRET = 5  # characters; a shorter one cannot be masked in reports without masking innocent text as well
_COMMAND_S = 60.0  # how long a command may take that prints a value
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|\[?::1\]?")


@dataclass(frozen=True)
class Account:
    """One user of the target. Its secrets never show in a repr."""

    name: str
    jwt: str | None = field(default=None, repr=False)
    expired_jwt: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)

    @property
    def schemes(self) -> list[str]:
        """The credentials that the account can use: "jwt", "api_key", both or none."""
        return [*(["jwt"] if self.jwt else []), *(["api_key"] if self.api_key and self.api_secret else [])]


@dataclass(frozen=True)
class Safety:
    """What a run may do at most. Amounts are in the quote token, durations in s."""

    allow_trading: bool = False
    forbidden_hosts: tuple[str, ...] = ()
    max_notional: Decimal | None = None
    max_orders: int = 8000
    max_requests_per_second: float | None = None
    max_duration_s: float | None = None
    max_parallel: int | None = None


@dataclass(frozen=True)
class Waiver:
    """A violation that is known and accepted until a day (ISO date), for a reason, with the message it has."""

    requirement: str
    reason: str
    until: str
    message: str = ""


@dataclass(frozen=True)
class Settings:
    """All that a run needs to know of its target. Times in s."""

    base_url: str
    owner: Account
    counterparty: Account | None = None
    symbol: str | None = None
    price: Decimal | None = None
    timeout_s: float = 10.0
    ca_file: str | None = None
    client_cert: str | None = None
    insecure: bool = False
    restart_command: str | None = None
    safety: Safety = Safety()
    waivers: tuple[Waiver, ...] = ()
    embedded: bool = False  # the reference that the run itself started, and that ends with it

    @property
    def base_path(self) -> str:
        """The path part of the base URL, without a slash at the end."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port of the base URL."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_loopback(self) -> bool:
        """Whether the target is on this machine."""
        return bool(_LOOPBACK.fullmatch(urlsplit(self.base_url).hostname or ""))

    @property
    def accounts(self) -> dict[str, Account]:
        """The accounts that were given, by name."""
        both = [self.owner, *([self.counterparty] if self.counterparty else [])]
        return {account.name: account for account in both}


_TARGET_KEYS = (
    "base_url",
    "symbol",
    "price",
    "timeout_s",
    "ca_file",
    "client_cert",
    "insecure",
    "restart_command",
)
_TABLES = {
    "target": _TARGET_KEYS,
    "accounts": ("owner", "counterparty"),
    "safety": tuple(f.name for f in fields(Safety)),
    "waiver": tuple(f.name for f in fields(Waiver)),
}


def _known(name: str, allowed: tuple[str, ...], where: str) -> None:
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(allowed)}"
        raise ConfigError(f"{where}: unknown setting {name!r}", hint)


_PRINTED: dict[tuple[str, str], str] = {}


def _printed(command: str, where: str) -> str:
    """What a command prints for the setting at `where`. It runs once a process: it may ask somebody to confirm.

    Raises ConfigError if it fails or takes more than a minute; it is not quoted, nor its output.
    """
    if (command, where) not in _PRINTED:
        with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                text = process.communicate(timeout=_COMMAND_S)[0].decode("ascii", "replace").strip()
            except subprocess.TimeoutExpired:
                process.kill()
                problem = f"{where}: the command did not end within {_COMMAND_S:g} s"
                raise ConfigError(problem, "run it by hand to see why") from None
        if process.returncode != 0 or not text:
            what = f"exited with {process.returncode}" if process.returncode else "prints nothing"
            raise ConfigError(f"{where}: the command {what}", "run it by hand to see why")
        _PRINTED[command, where] = text
    return _PRINTED[command, where]


def _expand(value: Any, where: str, env: Mapping[str, str]) -> Any:
    """Fill `${NAME}` from the environment and run `!command`."""
    if not isinstance(value, str):
        return value
    if value.startswith("!"):
        return _printed(value[1:], where)

    def fill(match: re.Match[str]) -> str:
        if match[1] not in env:
            raise ConfigError(f"{where}: the environment has no {match[1]}", f"export {match[1]}=…")
        return env[match[1]]

    return re.sub(r"\$\{(\w+)\}", fill, value)


def read_config(path: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """The settings in a `conformance.toml`, checked for unknown names and expanded.

    Raises ConfigError naming the setting and the nearest right name.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "spot-conformance init writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", "spot-conformance init writes one to start from"
        ) from None
    for table, content in document.items():
        _known(table, tuple(_TABLES), str(path))
        rows = content if isinstance(content, list) else [content]
        for row in rows:
            if not isinstance(row, dict):
                raise ConfigError(f"{path}: {table} must be a table", f"write [{table}]")
            for key, value in row.items():
                _known(key, _TABLES[table], f"{path} [{table}]")
                if table == "accounts":
                    if not isinstance(value, dict):
                        raise ConfigError(f"{path}: accounts.{key} must be a table", f"write [accounts.{key}]")
                    for secret in value:
                        _known(secret, _SECRETS, f"{path} [accounts.{key}]")
                    row[key] = {k: _expand(v, f"{path} accounts.{key}.{k}", env) for k, v in value.items()}
                else:
                    row[key] = _expand(value, f"{path} {table}.{key}", env)
    return document


def _account(name: str, from_file: Mapping[str, Any], env: Mapping[str, str]) -> Account:
    values: dict[str, str | None] = {}
    for secret in _SECRETS:
        variable = f"{PREFIX}{name.upper()}_{secret.upper()}"
        value = env.get(variable) or from_file.get(secret) or None
        if value is not None and (not isinstance(value, str) or not value.isascii() or re.search(r"\s", value)):
            raise ConfigError(f"{name}.{secret} has characters that no credential has", f"look at {variable}")
        if value is not None and len(value) < _MIN_SECRET:
            raise ConfigError(
                f"{name}.{secret} has fewer than {_MIN_SECRET} characters: surely a mistake, and too short to be "
                "masked in reports",
                f"look at {variable}",
            )
        values[secret] = value
    if bool(values["api_key"]) != bool(values["api_secret"]):
        missing = "api_secret" if values["api_key"] else "api_key"
        raise ConfigError(
            f"{name} has an API key without its secret, or the other way round",
            f"set {PREFIX}{name.upper()}_{missing.upper()}",
        )
    return Account(name, **values)


def _differ(owner: Account, counterparty: Account) -> None:
    for secret in ("jwt", "api_key"):
        if getattr(owner, secret) is not None and getattr(owner, secret) == getattr(counterparty, secret):
            raise ConfigError(
                f"owner and counterparty have the same {secret}: fills and foreign orders need two users",
                f"set {PREFIX}COUNTERPARTY_{secret.upper()} to that of another user, or leave the counterparty out",
            )
    if owner.jwt is not None and owner.jwt == owner.expired_jwt:
        raise ConfigError(
            "owner.jwt and owner.expired_jwt are the same", "expired_jwt is an old one, to be refused"
        )


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # not quoted: somebody may have put a credential into it
        raise ConfigError("the base URL is none", "for example https://staging.example/api/v1")
    if parts.query or parts.fragment or parts.username:
        raise ConfigError("the base URL may have no query, fragment or user", "credentials go into the accounts")
    try:
        _ = parts.port
    except ValueError:
        raise ConfigError("the base URL has no proper port", "for example https://127.0.0.1:8080/api/v1") from None
    return value.rstrip("/")


def _decimal(value: Any, name: str) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number <= 0:
        raise ConfigError(f"{name} must be a positive number", f"for example {name.split('.')[-1]} = 10")
    return number


def load_settings(
    *,
    config: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings | None:
    """The settings of a run, or None if nothing names a target (then the embedded reference is one).

    `config` is the file asked for; without it the `conformance.toml` in `directory` (the working directory) is
    read if it is there. Raises ConfigError for anything that cannot be used.
    """
    env = os.environ if env is None else env
    flags = {key: value for key, value in (flags or {}).items() if value is not None}
    path = config or (directory or Path.cwd()) / "conformance.toml"
    document = read_config(path, env) if config is not None or path.is_file() else {}
    target = dict(document.get("target", {}))
    for key in _TARGET_KEYS:
        if value := env.get(f"{PREFIX}{key.upper()}"):
            target[key] = value
        if key in flags:
            target[key] = flags[key]
    if not target.get("base_url"):
        if "target" in document or config is not None:
            raise ConfigError(f"{path} names no base_url", 'put base_url = "https://…" under [target]')
        return None
    base_url = _base_url(str(target["base_url"]))
    accounts = document.get("accounts", {})
    owner = _account("owner", accounts.get("owner", {}), env)
    counterparty = _account("counterparty", accounts.get("counterparty", {}), env)
    if not owner.schemes:
        raise ConfigError(
            "the owner account has no credential",
            f"set {PREFIX}OWNER_JWT, or {PREFIX}OWNER_API_KEY and {PREFIX}OWNER_API_SECRET",
        )
    _differ(owner, counterparty)
    return Settings(
        base_url=base_url,
        owner=owner,
        counterparty=counterparty if counterparty.schemes else None,
        symbol=target.get("symbol"),
        price=_decimal(target.get("price"), "target.price"),
        timeout_s=float(_decimal(target.get("timeout_s", 10), "target.timeout_s") or 10),
        ca_file=target.get("ca_file"),
        client_cert=target.get("client_cert"),
        insecure=target.get("insecure") in (True, "true", "1", "yes"),
        restart_command=target.get("restart_command"),
        safety=_safety(document.get("safety", {}), flags),
        waivers=_waivers(document.get("waiver", [])),
    )


def _safety(table: Mapping[str, Any], flags: Mapping[str, Any]) -> Safety:
    rate = flags.get("max_requests_per_second", table.get("max_requests_per_second"))
    duration = table.get("max_duration_s")
    return Safety(
        allow_trading=bool(flags.get("allow_trading") or table.get("allow_trading") is True),
        forbidden_hosts=tuple(table.get("forbidden_hosts", ())),
        max_notional=_decimal(table.get("max_notional"), "safety.max_notional"),
        max_orders=int(table.get("max_orders", Safety.max_orders)),
        max_requests_per_second=float(_decimal(rate, "safety.max_requests_per_second") or 0) or None,
        max_duration_s=float(_decimal(duration, "safety.max_duration_s") or 0) or None,
        max_parallel=int(table.get("max_parallel", 0)) or None,
    )


def _waivers(rows: list[Mapping[str, Any]]) -> tuple[Waiver, ...]:
    waivers = []
    for row in rows:
        for key in ("requirement", "reason", "until"):
            if not row.get(key):
                raise ConfigError(f"a waiver has no {key}", "a [[waiver]] needs requirement, reason and until")
        try:
            date.fromisoformat(str(row["until"]))
        except ValueError:
            text = f"the waiver of {row['requirement']} is until {row['until']!r}, which is no day"
            raise ConfigError(text, 'for example until = "2030-01-31"') from None
        waivers.append(Waiver(**{key: str(value) for key, value in row.items()}))
    return tuple(waivers)
