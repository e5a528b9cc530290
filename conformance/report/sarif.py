"""`results.sarif`: SARIF 2.1.0, a rule per requirement and a result per finding, for code scanning.

Held requirements are rules without a result: viewers show every result as an alert, whatever its kind.
What was undecided stands among the notifications of the run.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from conformance.contract import Contract
from conformance.report.overview import NO_REASON, Overview
from conformance.report.result import Finding, RequirementResult
from conformance.report.text import one_line, shorten

URI = "openapi/requirements.yaml"
_LEVEL = {"MUST": "error", "SHOULD": "warning", "MAY": "note"}
_ID = re.compile(r"^\s*-\s+id:\s*(\S+)\s*$")


def requirement_lines(path: Path) -> dict[str, int]:
    """The line, counted from 1, on which each id stands in the requirements file; empty if it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return {}
    return {match[1]: n for n, line in enumerate(text.splitlines(), 1) if (match := _ID.match(line))}


def _name(requirement_id: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[.-]", requirement_id))


def _rule(requirement: RequirementResult) -> dict[str, Any]:
    sources = "; ".join(requirement.source)
    return {
        "id": requirement.id,
        "name": _name(requirement.id),
        "shortDescription": {"text": requirement.text},
        "fullDescription": {"text": f"{requirement.text} For a trader: {requirement.trader}"},
        "help": {"text": f"{requirement.trader}\nSource: {sources}"},
        "defaultConfiguration": {"level": _LEVEL.get(requirement.level, "warning")},
        "properties": {
            "tags": [requirement.level, requirement.chapter],
            "verdict": requirement.verdict,
            "checks": requirement.checks,
        },
    }


def _location(requirement: RequirementResult, line: int) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": URI, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": line},
        },
        "logicalLocations": [{"fullyQualifiedName": requirement.id, "kind": "member"}],
    }


def _result(requirement: RequirementResult, finding: Finding, index: int, line: int) -> dict[str, Any]:
    text = (
        f"{finding.message}\nExpected: {shorten(finding.expected, 1000)}\nSeen: {shorten(finding.seen, 1000)}\n"
        f"Again: spot-conformance replay {finding.id}"
    )
    # stable from run to run, unlike the finding's number, times and order ids
    words = finding.key or f"{finding.case}\n{finding.expected}"
    mark = hashlib.sha256(f"{requirement.id}\n{words}".encode()).hexdigest()[:16]
    found: dict[str, Any] = {
        "ruleId": requirement.id,
        "ruleIndex": index,
        "kind": "fail",
        "level": _LEVEL.get(requirement.level, "warning"),
        "message": {"text": text},
        "locations": [_location(requirement, line)],
        "partialFingerprints": {"mistake/v1": mark},
        "occurrenceCount": max(1, finding.times),
        "properties": {"finding": finding.id, "case": finding.case, "exchanges": finding.exchanges[:100]},
    }
    if requirement.verdict == "waived" or finding.waived:
        found["suppressions"] = [{"kind": "external", "justification": requirement.reason or "waived"}]
    return found


def _notification(requirement: RequirementResult, index: int, line: int) -> dict[str, Any]:
    return {
        "level": "warning",
        "message": {"text": f"Undecided: {one_line(requirement.reason or NO_REASON)}"},
        "associatedRule": {"id": requirement.id, "index": index},
        "locations": [_location(requirement, line)],
    }


def render_sarif(overview: Overview, contract: Contract) -> bytes:
    """The run as a SARIF 2.1.0 log in UTF-8; locations point into `openapi/requirements.yaml`."""
    result = overview.result
    lines = requirement_lines(contract.requirements_path)
    rules = [r for chapter in overview.chapters for r in chapter.requirements]
    index = {r.id: n for n, r in enumerate(rules)}
    invocation: dict[str, Any] = {
        "executionSuccessful": result.verdict in ("conformant", "violated"),
        "exitCode": result.exit_status,
        "toolExecutionNotifications": [
            _notification(r, index[r.id], lines.get(r.id, 1)) for r in rules if r.verdict == "undecided"
        ],
    }
    if result.command:
        invocation["commandLine"] = result.command
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "spot-conformance",
                        "semanticVersion": result.suite_version,
                        "rules": [_rule(r) for r in rules],
                    }
                },
                "automationDetails": {"id": f"cancel-order/{result.symbol}/"},
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": [_result(r, f, index[r.id], lines.get(r.id, 1)) for r, f in overview.findings()],
                "properties": {
                    "verdict": result.verdict,
                    "partial": result.partial,
                    "seed": result.seed,
                    "baseUrl": result.base_url,
                    "contract": result.contract_digest,
                },
            }
        ],
    }
    return json.dumps(log, indent=1, ensure_ascii=False).encode() + b"\n"
