"""The SQLite store: what the exchange has promised. Whatever was answered is committed here first.

WAL with ``synchronous=NORMAL`` survives the death of the process (kill -9), which is what is promised; a
power cut may lose the last commits, as SQLite's documentation says of that setting. Amounts are stored as
text, exactly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from .orders import Order, Trade

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balances (
    account TEXT NOT NULL, token TEXT NOT NULL, free TEXT NOT NULL, locked TEXT NOT NULL,
    PRIMARY KEY (account, token)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT NULL, tif TEXT NOT NULL, price TEXT,
    quantity TEXT, quote_quantity TEXT,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, filled_qty TEXT NOT NULL,
    filled_quote TEXT NOT NULL, locked TEXT NOT NULL, status TEXT NOT NULL,
    reject_reason TEXT, in_flight INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS live_orders ON orders (symbol, seq) WHERE status IN ('open', 'partially_filled');
CREATE TABLE IF NOT EXISTS trades (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, trade_id TEXT NOT NULL, account TEXT NOT NULL,
    order_id TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, role TEXT NOT NULL, price TEXT NOT NULL,
    quantity TEXT NOT NULL, fee TEXT NOT NULL, fee_token TEXT NOT NULL, ts INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS own_trades ON trades (account, seq);
"""
ORDER_COLUMNS = (
    "seq, id, account, symbol, side, type, tif, price, quantity, quote_quantity, created_at, updated_at, "
    "filled_qty, filled_quote, locked, status, reject_reason, in_flight"
)
TRADE_COLUMNS = "trade_id, account, order_id, symbol, side, role, price, quantity, fee, fee_token, ts"


class Store:
    """One database file, owned by one process. Methods are short, and block the event loop that calls them.

    Opening a file that another process holds raises ``sqlite3.OperationalError``.
    """

    def __init__(self, path: str) -> None:
        # Statements must not open transactions by themselves: ``transaction`` alone decides.
        self.db = sqlite3.connect(
            path, timeout=0.5, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        # One engine owns the file: a second one would match against a book of its own.
        self.db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file. Nothing is lost by not calling it."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, all or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # Writing, inside a transaction

    def insert_order(self, order: Order) -> None:
        """Add an order and give it its ``seq``, which is its time priority."""
        cursor = self.db.execute(
            "INSERT INTO orders (id, account, symbol, side, type, tif, price, quantity, quote_quantity, "
            "created_at, updated_at, filled_qty, filled_quote, locked, status, reject_reason, in_flight) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(order.id, order.account, order.symbol, order.side, order.type, order.tif),
                *(_text(order.price), _text(order.quantity), _text(order.quote_quantity)),
                *(order.created_at, order.updated_at, str(order.filled_qty), str(order.filled_quote)),
                *(str(order.locked), order.status, order.reject_reason, order.in_flight),
            ),
        )
        assert cursor.lastrowid is not None
        order.seq = cursor.lastrowid

    def update_order(self, order: Order) -> None:
        """Write what can change of an order."""
        self.db.execute(
            "UPDATE orders SET updated_at=?, filled_qty=?, filled_quote=?, locked=?, status=?, "
            "reject_reason=?, in_flight=? WHERE seq=?",
            (
                *(order.updated_at, str(order.filled_qty), str(order.filled_quote), str(order.locked)),
                *(order.status, order.reject_reason, order.in_flight, order.seq),
            ),
        )

    def insert_trade(self, trade: Trade) -> None:
        """Add one side of a match."""
        self.db.execute(
            f"INSERT INTO trades ({TRADE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(trade.trade_id, trade.account, trade.order_id, trade.symbol, trade.side, trade.role),
                *(str(trade.price), str(trade.quantity), str(trade.fee), trade.fee_token, trade.ts),
            ),
        )

    def save_balances(self, rows: Iterable[tuple[str, str, Decimal, Decimal]]) -> None:
        """Write (account, token, free, locked) rows."""
        self.db.executemany(
            "INSERT INTO balances VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET free=excluded.free, "
            "locked=excluded.locked",
            [(account, token, str(free), str(locked)) for account, token, free, locked in rows],
        )

    def set_meta(self, key: str, value: str) -> None:
        """Store one named text."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    # Reading

    def get_meta(self, key: str) -> str | None:
        """Return a named text, or None."""
        row = self.db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def load_balances(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """Return all (account, token, free, locked) rows."""
        rows = self.db.execute("SELECT account, token, free, locked FROM balances")
        return [(account, token, Decimal(free), Decimal(locked)) for account, token, free, locked in rows]

    def load_order(self, order_id: str) -> Order | None:
        """Return an order, live or terminal, as last committed."""
        row = self.db.execute(f"SELECT {ORDER_COLUMNS} FROM orders WHERE id=?", (order_id,)).fetchone()
        return None if row is None else _order(row)

    def load_live_orders(self, symbol: str) -> list[Order]:
        """Return a market's live orders, oldest first."""
        rows = self.db.execute(
            f"SELECT {ORDER_COLUMNS} FROM orders "
            "WHERE symbol=? AND status IN ('open', 'partially_filled') ORDER BY seq",
            (symbol,),
        )
        return [_order(row) for row in rows]

    def load_trades(
        self, account: str, symbol: str | None, start_s: int | None, end_s: int | None, limit: int
    ) -> list[Trade]:
        """Return an account's trades, newest first; bounds in Unix seconds, both inclusive."""
        wanted = {"account=?": account, "symbol=?": symbol, "ts>=?": start_s, "ts<=?": end_s}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        rows = self.db.execute(
            f"SELECT {TRADE_COLUMNS} FROM trades WHERE {' AND '.join(given)} ORDER BY seq DESC LIMIT ?",
            (*given.values(), limit),
        )
        return [_trade(row) for row in rows]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order(row: tuple[Any, ...]) -> Order:
    (seq, order_id, account, symbol, side, kind, tif, price, quantity, quote_quantity, *rest) = row
    (created_at, updated_at, filled_qty, filled_quote, locked, status, reject_reason, in_flight) = rest
    return Order(
        *(order_id, account, symbol, side, kind, tif),
        price=_decimal(price),
        quantity=_decimal(quantity),
        quote_quantity=_decimal(quote_quantity),
        created_at=created_at,
        updated_at=updated_at,
        filled_qty=Decimal(filled_qty),
        filled_quote=Decimal(filled_quote),
        locked=Decimal(locked),
        status=status,
        reject_reason=reject_reason,
        in_flight=bool(in_flight),
        seq=seq,
    )


def _trade(row: tuple[Any, ...]) -> Trade:
    (trade_id, account, order_id, symbol, side, role, price, quantity, fee, fee_token, ts) = row
    amounts = (Decimal(price), Decimal(quantity), Decimal(fee))
    return Trade(trade_id, account, order_id, symbol, side, role, *amounts, fee_token, ts)
