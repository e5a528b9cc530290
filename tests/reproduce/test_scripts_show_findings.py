"""A finding's script shows the finding again, where it was found; on a server without the fault it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from faulty_targets import Target, peer, reference, suite
from script_tools import bash

from conformance.compare import RECORD, RESULTS
from conformance.record import Exchange, read_rows
from conformance.report.result import Finding, read_results

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MOST = 2  # findings that are tried of each fault
TRIES = 12  # a timestamp just outside the window may be within it by the time a busy machine has sent it

# the fault, and the requirement to look at (or the beginning of its id)
FAULTS = {
    "status: a repeat is answered with 200": (peer, "repeat-200", "cancel.errors.not-found.canceled"),
    "status: a repeat is answered with 409": (reference, "repeat_says_gone", "cancel.errors.not-found.canceled"),
    "status: NUL in the id": (peer, "invalid-id-nul-500", "cancel.errors.invalid-id.hostile"),
    "id: the last digit is ignored": (peer, "id-last-digit-ignored", "cancel.identity.whole-id"),
    "foreign: is canceled": (peer, "foreign-200", "cancel.errors.forbidden"),
    "foreign: forbidden and canceled": (peer, "foreign-403-cancels", "cancel.refusals.forbidden"),
    "signature: the first half will do": (reference, "first_half_is_enough", "cancel.key.signature.truncated"),
    "signature: covers the timestamp only": (
        reference,
        "only_the_timestamp_is_signed",
        "cancel.key.signature.covers-added",
    ),
    "signature: SHA-1": (peer, "signature-sha1", "cancel.key.signature.other-algorithm"),
    "signature: the other user's secret": (peer, "signature-any-user", "cancel.key.signature.other-user"),
    "signature: refused and canceled": (peer, "effect-despite-bad-signature", "cancel.refusals.unauthorized"),
    "key: in the query": (peer, "key-in-query", "cancel.key.absent"),
    "timestamp: never looked at": (peer, "timestamp-unchecked", "cancel.key.timestamp.stale"),
    "timestamp: a window of 30 s": (peer, "timestamp-window-30000", "cancel.key.timestamp.window-outside"),
    "token: no algorithm": (peer, "jwt-alg-none", "cancel.jwt.alg-none"),
    "token: an empty secret": (peer, "jwt-empty-secret", "cancel.jwt.altered-signature"),
    "token: expired": (peer, "jwt-expired-passes", "cancel.jwt.expired"),
    "fields: filled in parts": (peer, "filled-last-fill-only", "cancel.fields.filled-qty"),
    "fields: plain mean": (peer, "avg-plain-mean", "cancel.fields.avg-fill-price"),
    "fields: nothing filled": (reference, "filled_shows_zero", "cancel.fields.filled-qty"),
    "fields: the time of an old order": (peer, "updated-is-created", "cancel.fields.updated-at"),
    "headers: Accept is missing": (reference, "accept_is_required", "cancel.success.open"),
    "effects: shown as open": (peer, "query-open", "cancel.effects.terminal"),
    "effects: cancels its neighbours": (peer, "cancels-own-level", "cancel.effects.own-orders"),
}


@pytest.fixture(scope="module")
def sound() -> Iterator[Target]:
    """A server without any fault."""
    with peer() as target:
        yield target


def normal(text: str) -> str:
    """An answer without what differs from run to run: `<status> <body>`, ids and times by their relation."""
    status, _, body = text.partition(" ")
    try:
        value = json.loads(body)
    except ValueError:
        return text.strip()
    return f"{status} {json.dumps(_normal(value), sort_keys=True)}"


def _normal(value: Any) -> Any:
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, str):
        return "id" if _UUID.fullmatch(value) else "number" if re.fullmatch(r"\d{9,}", value) else value
    if not isinstance(value, dict):
        return value
    plain = {key: _normal(item) for key, item in value.items()}
    created, updated = value.get("created_at"), value.get("updated_at")
    if isinstance(created, int) and isinstance(updated, int):
        later = "later" if updated > created + 2 else "same" if updated >= created else "earlier"
        plain.update(created_at="time", updated_at=later)
    return plain


def answers(stdout: str) -> dict[int, str]:
    """What a script says that it saw in answer to the exchanges in question, by their number."""
    found = re.findall(r"^seen now:  \((\d+)\) (.*)$", stdout, re.MULTILINE)
    return {int(number): normal(text) for number, text in found}


def recorded(report_dir: Path, finding: Finding) -> dict[int, str]:
    """What the run saw in answer to them."""
    rows = (row for row in read_rows(report_dir / RECORD) if isinstance(row, Exchange))
    return {
        row.n: normal(f"{row.response.status} {row.response.body}")
        for row in rows
        if row.n in finding.exchanges and row.response is not None
    }


@pytest.mark.parametrize("name", FAULTS)
def test_a_script_shows_its_finding_again(name: str, tmp_path: Path, sound: Target) -> None:
    start: Any
    start, fault, requirement = FAULTS[name]
    running: AbstractContextManager[Target] = start(fault)
    with running as target:
        assert suite(target, tmp_path, requirement) == 1
        result = read_results(tmp_path / RESULTS)
        rows = [row for row in result.requirements if row.id.startswith(requirement) and row.findings]
        findings = [finding for row in rows for finding in row.findings][:MOST]
        assert findings, [row.id for row in result.requirements if row.findings]
        left = target.open_orders()
        for finding in findings:
            assert not [secret for secret in target.secrets if secret in finding.curl]
            seen = recorded(tmp_path, finding)
            again = bash(finding.curl, target.env)
            assert (again.returncode, again.stderr) == (0, ""), again.stdout
            assert answers(again.stdout) == seen, again.stdout
            assert not [secret for secret in target.secrets if secret in again.stdout]
            assert target.open_orders() <= left, "the script left orders open"
            for _ in range(TRIES):
                well = bash(finding.curl, {**sound.env, "BASE_URL": sound.base_url})
                assert (well.returncode, well.stderr) == (0, ""), well.stdout
                assert answers(well.stdout).keys() == seen.keys()
                if answers(well.stdout) != seen:
                    break
            else:
                pytest.fail("a sound server looks faulty")
            assert sound.open_orders() == set()
