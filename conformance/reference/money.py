"""Balances: what each account has free and what its live orders lock.

Nothing here creates or destroys money.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation

from .errors import OrderRefused

# All money is computed in this context: a result that does not fit exactly is an error, never rounded away.
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, DivisionByZero])
ZERO = Decimal(0)


@dataclass(slots=True)
class Balance:
    """What an account holds of one token: ``free`` to use, and ``locked`` behind live orders."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Balances:
    """Every account's balances, by (account, token), and which of them changed since the last commit."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], Balance] = {}
        self.changed: set[tuple[str, str]] = set()

    def load(self, rows: Iterable[tuple[str, str, Decimal, Decimal]]) -> None:
        """Replace everything by (account, token, free, locked) rows."""
        self.table = {(account, token): Balance(free, locked) for account, token, free, locked in rows}
        self.changed = set()

    def of(self, account: str, token: str) -> Balance:
        """Return an account's balance of a token, to be read."""
        return self.table.get((account, token)) or Balance()

    def total(self, token: str) -> Decimal:
        """Return how much of a token exists."""
        held = (b for (_, held_token), b in self.table.items() if held_token == token)
        return sum((b.free + b.locked for b in held), ZERO)

    def lock(self, account: str, token: str, amount: Decimal) -> None:
        """Move an amount from free to locked. Raises INSUFFICIENT_BALANCE, with nothing changed."""
        if self.of(account, token).free < amount:
            raise OrderRefused("INSUFFICIENT_BALANCE")
        balance = self._touch(account, token)
        balance.free -= amount
        balance.locked += amount

    def release(self, account: str, token: str, amount: Decimal) -> None:
        """Move an amount from locked back to free."""
        balance = self._touch(account, token)
        balance.locked -= amount
        balance.free += amount

    def spend(self, account: str, token: str, amount: Decimal) -> None:
        """Take an amount out of what is locked; the caller credits it elsewhere."""
        self._touch(account, token).locked -= amount

    def credit(self, account: str, token: str, amount: Decimal) -> None:
        """Add an amount to what is free."""
        self._touch(account, token).free += amount

    def take_changed(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """Return the rows that changed since the last call."""
        rows = [(*key, self.table[key].free, self.table[key].locked) for key in self.changed]
        self.changed = set()
        return rows

    def _touch(self, account: str, token: str) -> Balance:
        key = (account, token)
        self.changed.add(key)
        return self.table.setdefault(key, Balance())


def fee_of(amount: Decimal, bps: int) -> Decimal:
    """Return the fee on an amount received, in the same token. Exact: basis points only add four digits."""
    return amount * bps / 10_000
