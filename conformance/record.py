"""The record of a run: what was sent, what came back, and what the suite meant by it.

A record is NDJSON: a `Header`, then `Exchange` and `Note` rows in the order in which they ended, then a `Footer`.
The rows are plain values: drivers write them, the oracle judges them, and neither needs the other to do so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from conformance.errors import ConfigError

SCHEMA = "spot-conformance/record/1"


class Header(msgspec.Struct, tag="header", tag_field="kind"):
    """The first row.

    `started_at` is Unix seconds; `accounts` maps an account to the schemes it can use; `only` are the requirements
    (or beginnings of ids) that were asked for, all if there are none.
    """

    schema: str
    suite_version: str
    contract_digest: str
    base_url: str
    base_path: str
    started_at: float
    seed: int
    profile: str
    accounts: dict[str, list[str]]
    command: str = ""
    only: list[str] = []


class Auth(msgspec.Struct, omit_defaults=True):
    """Which credential a request carried, and what the suite had done to it.

    `flaw` is the requirement that says why this credential must be refused (None: it is good).
    `either` marks a credential that the pages leave open: a 401 and the normal answer are both right.
    `how` says what exactly was done to it (the flaw's name, or words that `curl.py` understands), so that it
    can be done again.
    """

    account: str
    scheme: str
    flaw: str | None = None
    either: bool = False
    how: str | None = None


class Take(msgspec.Struct, frozen=True):
    """A fill that the suite expects when it places an order: this much of that resting order, at its price."""

    order: str
    price: str
    quantity: str


class Request(msgspec.Struct, omit_defaults=True):
    """What went on the wire, secrets masked. `target` is the raw request target (path and query)."""

    method: str
    target: str
    headers: list[tuple[str, str]] = []
    body: str | None = None


class Response(msgspec.Struct, omit_defaults=True):
    """What came back, secrets masked. A body that is not UTF-8 is in `body_base64`."""

    status: int
    headers: list[tuple[str, str]] = []
    body: str = ""
    body_base64: str | None = None
    truncated: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


class Exchange(msgspec.Struct, tag="exchange", tag_field="kind", omit_defaults=True):
    """One request with its response, or with the error that came instead of one.

    `start` and `end` are monotonic seconds, `sent_at` is Unix seconds, all on the suite's clocks.
    `aim` is the requirement that a wrong answer would break, where the situation alone does not tell.
    `race` groups exchanges that overlapped on purpose: they are judged together, as a history.
    `takes` are the fills that a new order is expected to cause; `expect` is "accepted" or "refused" where an
    order is placed to find something out about an earlier cancel (which `aim` names), or "within N ms" where an
    answer to a cancel says nothing if it takes longer.
    `signed` is the string that the signature of an API-key request covers, secrets masked.
    """

    n: int
    case: str
    driver: str
    op: str
    start: float
    end: float
    sent_at: float
    request: Request
    auth: Auth | None = None
    response: Response | None = None
    error: str | None = None
    aim: str | None = None
    race: str | None = None
    takes: list[Take] | None = None
    expect: str | None = None
    signed: str | None = None


class Note(msgspec.Struct, tag="note", tag_field="kind", omit_defaults=True):
    """Something that the suite knows and no exchange shows.

    `what` is one of `market`, `case-begin`, `case-end`, `race-end`, `side-by-side-end`, `overlaps`, `burst-end`,
    `unrecovered`, `restart`, `persistent`, `crossing`, `clock`, `cleanup`,
    `no-contact`,
    `scattered` (orders that were sent one close behind the other and did not trade as planned),
    `driver` (what a driver counted), `shrunk` (exchanges `begin` to `end` show a case's finding at its smallest).
    """

    what: str
    case: str = ""
    data: dict[str, Any] = {}


class Footer(msgspec.Struct, tag="footer", tag_field="kind"):
    """The last row: a record without one was cut off. `ended_at` is Unix seconds."""

    exchanges: int
    ended_at: float


Row = Header | Exchange | Note | Footer

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row)


def encode(row: Row) -> bytes:
    """One line of a record, newline included."""
    return _encoder.encode(row) + b"\n"


def text_of(body: bytes) -> tuple[str, str | None]:
    """A body as (text, base64): the text if it is UTF-8, else an empty text and the bytes in base64."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError:
        return "", base64.b64encode(body).decode("ascii")


_BUFFER = 2**18  # bytes: a row has two thousand, and a list of fills fifty thousand
_HINT = "give the record.ndjson that a run left, unchanged"


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb", buffering=_BUFFER)
    except OSError as error:
        raise ConfigError(
            f"cannot read the record {path}: {error.strerror}", "a run leaves record.ndjson in its --report-dir"
        ) from None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of the record at `path`, one at a time.

    A last line that was cut off (the run was killed) ends the rows quietly, since the footer tells.
    Raises ConfigError for a file that is no record, naming the line.
    """
    with _open(path) as file:
        number = 0
        for number, line in enumerate(file, 1):
            try:
                row = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if number > 1 and not line.endswith(b"\n"):
                    return
                raise ConfigError(f"{path}, line {number}: not a row of a record: {error}", _HINT) from None
            if number == 1 and (not isinstance(row, Header) or row.schema != SCHEMA):
                raise ConfigError(f"{path} does not begin with a header of {SCHEMA}", _HINT)
            yield row
        if number == 0:
            raise ConfigError(f"{path} is empty", "a record begins with a header row")


def record_schema() -> dict[str, Any]:
    """The JSON Schema of a row."""
    return msgspec.json.schema(Row)
