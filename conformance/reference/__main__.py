"""``python -m conformance.reference``: the exchange as a local sandbox."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence

from .server import serve
from .settings import Settings, simple_settings


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.reference", description="A small spot exchange to try clients on."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add("--json", action="store_true", help="announce the exchange as one JSON line")
    add("--db", metavar="PATH", help="database file (default: a temporary one, removed at the end)")
    add("--base-path", default="/api/v1", help="what all paths begin with (default: %(default)s)")
    add("--symbol", default="DFUSDT", help="the market (default: %(default)s)")
    add("--tick", default="0.0001", help="price step (default: %(default)s)")
    add("--lot", default="0.01", help="quantity step (default: %(default)s)")
    add("--min-notional", default="1", help="least price times quantity (default: %(default)s)")
    add("--clock-offset-ms", type=int, default=0, help="shift the server's clock by this many ms")
    add("--trading-disabled", action="store_true", help="answer place and cancel with 503")
    add("--queue-size", type=int, default=256, help="commands that may wait (default: %(default)s)")
    add(
        "--hook",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="call this with the exchange first",
    )
    add("--settings", metavar="JSON", help="all settings at once; the options above on them are then ignored")
    add("--until-stdin-closes", action="store_true", help="end when standard input is closed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit status: 0, or 2 when it cannot start as asked."""
    options = parser().parse_args(arguments)
    try:
        if options.settings is not None:
            settings = Settings.from_json(options.settings)
        else:
            settings = simple_settings(
                symbol=options.symbol,
                tick=options.tick,
                lot=options.lot,
                min_notional=options.min_notional,
                base_path=options.base_path,
                db=options.db,
                clock_offset_ms=options.clock_offset_ms,
                trading_disabled=options.trading_disabled,
                queue_size=options.queue_size,
                hooks=tuple(options.hook),
            )
        serve(
            settings,
            host=options.host,
            port=options.port,
            as_json=options.json,
            until_stdin_closes=options.until_stdin_closes,
        )
    except (ValueError, TypeError, OSError, sqlite3.OperationalError) as error:
        print(f"cannot serve: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
