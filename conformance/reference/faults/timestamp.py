"""Faults of the chapter API key and signature: the freshness of a request is judged wrongly."""

from __future__ import annotations

from typing import Any

from ..auth import Incoming
from ..errors import Unauthorized
from ..reference import Reference
from .registry import fault
from .tools import good_signature, param, trust, wrap

_TIME = "cancel.key.timestamp."


def window(ref: Reference, behind_ms: int | None, ahead_ms: int | None) -> None:
    """Take timestamps that are at most so far behind and ahead of the server's time; None is no limit."""

    def check_timestamp(original: Any, timestamp_ms: int) -> None:
        age = ref.clock.now_ms() - timestamp_ms
        if (behind_ms is not None and age > behind_ms) or (ahead_ms is not None and -age > ahead_ms):
            raise Unauthorized("outside the window")

    wrap(ref.auth, "check_timestamp", check_timestamp)


def trust_stamp(ref: Reference, when: Any) -> None:
    """Let a well-signed request act when ``when(raw timestamp or None)`` is true."""

    def good(incoming: Incoming) -> bool:
        given, expected = good_signature(ref, incoming)
        return bool(given) and given == expected and when(param(ref, incoming, b"timestamp"))

    trust(ref, good)


@fault(_TIME + "missing")
def timestamp_may_be_missing(ref: Reference) -> None:
    """A well-signed request without a timestamp is accepted."""
    trust_stamp(ref, lambda raw: raw is None)


@fault(_TIME + "stale", _TIME + "ahead", _TIME + "window-outside")
def timestamps_are_not_checked(ref: Reference) -> None:
    """Any timestamp is accepted, however old or far ahead."""
    window(ref, None, None)


@fault(_TIME + "stale")
def old_timestamps_accepted(ref: Reference) -> None:
    """Only timestamps ahead of the server's time are checked, so that a captured request lives for ever."""
    window(ref, None, 5000)


@fault(_TIME + "stale")
def timestamps_live_five_minutes(ref: Reference) -> None:
    """A timestamp is accepted for five minutes."""
    window(ref, 300_000, 5000)


@fault(_TIME + "stale")
def timestamp_zero_accepted(ref: Reference) -> None:
    """The timestamp 0 passes as "none given"."""
    trust_stamp(ref, lambda raw: raw == b"0")


@fault(_TIME + "ahead")
def future_timestamps_accepted(ref: Reference) -> None:
    """Only timestamps behind the server's time are checked, so that a request can be signed for next week."""
    window(ref, 5000, None)


@fault(_TIME + "ahead")
def timestamps_a_day_ahead_accepted(ref: Reference) -> None:
    """A timestamp may lie up to a day and a minute ahead."""
    window(ref, 5000, 86_460_000)


@fault(_TIME + "seconds")
def timestamps_in_seconds_accepted(ref: Reference) -> None:
    """A timestamp of ten digits is taken as seconds."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: original(raw) * (1000 if len(raw) == 10 else 1))


@fault(_TIME + "seconds")
def timestamps_are_seconds(ref: Reference) -> None:
    """Timestamps are Unix seconds everywhere, and milliseconds are refused."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: original(raw) * 1000)


@fault(_TIME + "ahead")
def timestamps_in_microseconds_accepted(ref: Reference) -> None:
    """A timestamp of sixteen digits is taken as microseconds."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: original(raw) // (1000 if len(raw) == 16 else 1))


@fault(_TIME + "not-a-number", "cancel.answers.status")
def odd_timestamps_crash(ref: Reference) -> None:
    """A timestamp that is no number is answered with 500."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: int(raw))


@fault(_TIME + "not-a-number")
def negative_timestamps_accepted(ref: Reference) -> None:
    """The sign of a timestamp is ignored."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: original(raw.lstrip(b"-")))


@fault(_TIME + "not-a-number")
def timestamps_wrap_at_64_bits(ref: Reference) -> None:
    """A timestamp beyond 64 bits wraps around to a good one."""
    wrap(ref.auth, "parse_timestamp", lambda original, raw: int(raw) % 2**64 if raw.isdigit() else original(raw))


@fault(_TIME + "not-a-number")
def words_are_timestamps(ref: Reference) -> None:
    """A timestamp that is no number counts as now."""
    trust_stamp(ref, lambda raw: raw is not None and raw.isalpha())


@fault(_TIME + "not-a-number")
def empty_timestamp_accepted(ref: Reference) -> None:
    """An empty timestamp counts as now."""
    trust_stamp(ref, lambda raw: raw == b"")


@fault(_TIME + "window-inside")
def window_of_two_and_a_half_seconds(ref: Reference) -> None:
    """A timestamp is refused at more than 2500 ms from the server's time."""
    window(ref, 2500, 2500)


@fault(_TIME + "window-inside")
def window_ahead_of_one_second(ref: Reference) -> None:
    """A timestamp may be 5000 ms behind the server's time, but only 1000 ms ahead."""
    window(ref, 5000, 1000)


@fault(_TIME + "window-inside")
def window_of_four_seconds_behind(ref: Reference) -> None:
    """A timestamp may be 5000 ms ahead of the server's time, but only 4000 ms behind."""
    window(ref, 4000, 5000)


@fault(_TIME + "window-outside")
def window_of_ten_seconds(ref: Reference) -> None:
    """A timestamp is accepted up to 10 s from the server's time."""
    window(ref, 10_000, 10_000)


@fault(_TIME + "window-outside")
def window_of_six_seconds(ref: Reference) -> None:
    """A timestamp is accepted up to 6 s from the server's time."""
    window(ref, 6000, 6000)


@fault(_TIME + "window-outside")
def window_of_seven_seconds_behind(ref: Reference) -> None:
    """A timestamp is accepted up to 7 s behind the server's time, and 5 s ahead."""
    window(ref, 7000, 5000)


@fault(_TIME + "stale")
def recv_window_is_honoured(ref: Reference) -> None:
    """A parameter recvWindow lets a timestamp be as old as it says, up to a minute."""

    def honoured(incoming: Incoming) -> bool:
        allowed, raw = param(ref, incoming, b"recvWindow") or b"", param(ref, incoming, b"timestamp") or b""
        given, expected = good_signature(ref, incoming)
        if not (given and given == expected and allowed.isdigit() and raw.isdigit()):
            return False
        return 0 <= ref.clock.now_ms() - int(raw) <= min(int(allowed), 60_000)

    trust(ref, honoured)


@fault(_TIME + "stale")
def age_is_counted_in_32_bits(ref: Reference) -> None:
    """The age of a timestamp is a number of 32 bits, so that what is some 50 days old is new again."""

    def check_timestamp(original: Any, timestamp_ms: int) -> None:
        age = ref.clock.now_ms() - timestamp_ms
        original(ref.clock.now_ms() - ((age + 2**31) % 2**32 - 2**31))

    wrap(ref.auth, "check_timestamp", check_timestamp)
