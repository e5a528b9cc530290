"""Settings: names, precedence, expansion, and what cannot be used."""

from __future__ import annotations

import re
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conformance.commands.init import write_config
from conformance.errors import ConfigError
from conformance.suite.session import check_safety
from conformance.target.redact import Redactor
from conformance.target.settings import PREFIX, Account, Safety, Settings, load_settings

BASE = '[target]\nbase_url = "http://file.example/api/v1"\n[accounts.owner]\njwt = "from-file"\n'


def _load(directory: Path, text: str = BASE, *, env: dict[str, str] | None = None, **flags: Any) -> Settings:
    (directory / "conformance.toml").write_text(text)
    settings = load_settings(directory=directory, env=env or {}, flags=flags)
    assert settings is not None
    return settings


def test_flags_win_over_environment_and_that_over_the_file(tmp_path: Path) -> None:
    env = {f"{PREFIX}BASE_URL": "http://env.example", f"{PREFIX}OWNER_JWT": "from-env"}
    assert _load(tmp_path).base_url == "http://file.example/api/v1"
    assert _load(tmp_path, env=env).base_url == "http://env.example"
    assert _load(tmp_path, env=env, base_url="http://flag.example/").base_url == "http://flag.example"
    assert _load(tmp_path, env=env).owner.jwt == "from-env"


def test_no_target_is_the_embedded_reference(tmp_path: Path) -> None:
    assert load_settings(directory=tmp_path, env={}) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[targets]\n", "'target'"),
        ('[target]\nbaseurl = "x"\n', "'base_url'"),
        ('[accounts.owner]\napi_sekret = "x"\n', "'api_secret'"),
        ('[accounts.ovner]\njwt = "x"\n', "'owner'"),
        ("[safety]\nmax_order = 3\n", "'max_orders'"),
        ('[[waiver]]\nrequirment = "x"\n', "'requirement'"),
    ],
)
def test_unknown_names_get_the_nearest_right_one(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert hint in caught.value.hint


def test_values_from_the_environment_and_from_commands(tmp_path: Path) -> None:
    text = (
        BASE.replace('"from-file"', '"!printf a-%s-b token"') + 'api_key = "k-${NAME}"\napi_secret = "${SECRET}"\n'
    )
    owner = _load(tmp_path, text, env={"NAME": "name", "SECRET": "secret"}).owner
    assert (owner.jwt, owner.api_key, owner.api_secret) == ("a-token-b", "k-name", "secret")


def test_a_missing_variable_and_a_failing_command_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no NOT_THERE"):
        _load(tmp_path, BASE.replace("from-file", "${NOT_THERE}"))
    with pytest.raises(ConfigError, match=r"owner\.jwt: the command exited with 3"):
        _load(tmp_path, BASE.replace("from-file", "!exit 3"))


@pytest.mark.parametrize(
    "url", ["staging", "ftp://x", "http://u:p@x", "http://x?a=1", "http://x:99999", "https://"]
)
def test_base_urls_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError):
        _load(tmp_path, base_url=url)


def test_half_an_api_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, BASE + 'api_key = "a-key"\n')
    assert "OWNER_API_SECRET" in caught.value.hint


@pytest.mark.parametrize("value", ['"x"', "0", "-1", '"NaN"', '"Infinity"'])
@pytest.mark.parametrize("name", ["max_notional", "max_requests_per_second", "max_duration_s"])
def test_limits_are_positive_numbers(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        _load(tmp_path, f"{BASE}[safety]\n{name} = {value}\n")


def test_a_waiver_needs_a_day(tmp_path: Path) -> None:
    row = '[[waiver]]\nrequirement = "cancel.answers.json"\nreason = "r"\nuntil = "soon"\n'
    with pytest.raises(ConfigError, match="no day"):
        _load(tmp_path, BASE + row)


@pytest.mark.parametrize("url", ["https://api.example/v1", "https://API.EXAMPLE:443/v1", "https://api.example./v1"])
def test_forbidden_hosts_are_refused_whatever_is_allowed(url: str) -> None:
    safety = Safety(allow_trading=True, forbidden_hosts=("Api.Example",))
    with pytest.raises(ConfigError, match="forbidden"):
        check_safety(Settings(url, Account("owner", jwt="x"), safety=safety))


def test_a_remote_target_needs_a_word() -> None:
    remote = Settings("https://staging.example", Account("owner", jwt="x"))
    with pytest.raises(ConfigError, match="not this machine"):
        check_safety(remote)
    for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"):
        check_safety(Settings(url, Account("owner", jwt="x")))
    with pytest.raises(ConfigError):
        check_safety(Settings("http://127.0.0.1.evil.example", Account("owner", jwt="x")))


def test_init_writes_what_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "conformance.toml"
    write_config(path, base_url="https://staging.example/api/v1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="no credential"):
        load_settings(config=path, env={})
    settings = load_settings(config=path, env={f"{PREFIX}OWNER_JWT": "token"})
    assert settings is not None
    assert (settings.base_url, settings.safety.allow_trading) == ("https://staging.example/api/v1", False)
    commented = re.sub(r"^# (?=\w+ = |\[\[)", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(commented.replace("!pass show", "!echo secret; true"))
    names = ("OWNER_JWT", "OWNER_EXPIRED_JWT", "OWNER_KEY", "COUNTERPARTY_JWT", "COUNTERPARTY_KEY")
    full = load_settings(config=path, env={f"STAGING_{name}": f"x-{name}" for name in names})
    assert full is not None
    assert full.safety.max_notional == Decimal(20)
    assert [waiver.requirement for waiver in full.waivers] == ["cancel.fields.updated-at"]


def test_init_does_not_write_over(tmp_path: Path) -> None:
    path = tmp_path / "conformance.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        write_config(path)
    assert path.read_text() == "mine"
    write_config(path, force=True)
    assert "[accounts.owner]" in path.read_text()


@pytest.mark.parametrize("secret", ["jwt", "expired_jwt", "api_key", "api_secret"])
@pytest.mark.parametrize("account", ["owner", "counterparty"])
def test_a_secret_too_short_to_be_one_is_refused(tmp_path: Path, account: str, secret: str) -> None:
    """It could not be masked; five characters are enough, and the message does not quote it."""
    rest = {"api_key": "a-key", "api_secret": "a-secret"}
    env = {f"{PREFIX}{account.upper()}_{name.upper()}": value for name, value in rest.items()}
    variable = f"{PREFIX}{account.upper()}_{secret.upper()}"
    with pytest.raises(ConfigError, match=rf"^{account}\.{secret} has fewer than 5 characters") as caught:
        _load(tmp_path, env={**env, variable: "qzqz"})
    assert variable in caught.value.hint
    assert "qzqz" not in str(caught.value)
    settings = _load(tmp_path, env={**env, variable: "qzqzq"})
    assert Redactor(settings.accounts.values()).text("<qzqzq>") == f"<«{account}.{secret}»>"


@pytest.mark.parametrize("secret", ["jwt", "api_key"])
def test_two_accounts_with_one_credential(tmp_path: Path, secret: str) -> None:
    values = {"JWT": "token-1", "API_KEY": "key-1", "API_SECRET": "secret-1"}
    env = {f"{PREFIX}OWNER_{name}": value for name, value in values.items()}
    env |= {f"{PREFIX}COUNTERPARTY_{name}": f"{value}2" for name, value in values.items()}
    env[f"{PREFIX}COUNTERPARTY_{secret.upper()}"] = env[f"{PREFIX}OWNER_{secret.upper()}"]
    with pytest.raises(ConfigError, match=f"same {secret}"):
        _load(tmp_path, env=env)


@pytest.mark.parametrize(
    ("command", "message"),
    [("true", "prints nothing"), ("printf '\\\\377-token'", "characters"), ("sleep 5", "did not end within")],
)
def test_a_command_that_gives_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setattr("conformance.target.settings._COMMAND_S", 0.3)
    with pytest.raises(ConfigError, match=rf"owner\.jwt.*{message}"):
        _load(tmp_path, BASE.replace("from-file", f"!{command}"))
