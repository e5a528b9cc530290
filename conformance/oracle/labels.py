"""Judges whether a client can read an answer as it is labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.oracle.bodies import fits_charset, is_json_type
from conformance.record import Exchange, Response

if TYPE_CHECKING:
    from conformance.oracle.judge import Judge


def judge_label(judge: Judge, exchange: Exchange, response: Response) -> None:
    """Whether a client can read the answer, as it is labelled."""
    label, coding = response.header("content-type"), response.header("content-encoding")
    wrong = None
    if not is_json_type(label or ""):
        seen = f"Content-Type: {label}" if label else "no Content-Type"
        wrong = "is not labelled as JSON", "Content-Type: application/json", seen
    elif not fits_charset(response.body, label or ""):
        wrong = "is labelled with a charset that it is not written in", "UTF-8", f"Content-Type: {label}"
    elif coding and ("accept-encoding", "identity") in exchange.request.headers and coding.lower() != "identity":
        wrong = "comes in an encoding that the client rules out", "no encoding", f"Content-Encoding: {coding}"
    if wrong is None:
        judge.held("cancel.answers.json", exchange)
        return
    message, expected, seen = wrong
    judge.broken(
        "cancel.answers.json",
        exchange,
        f"a {response.status} {message}",
        expected,
        seen,
        key=f"type|{response.status}|{label}|{coding}",
    )
