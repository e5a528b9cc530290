"""Why a case could not be carried out. None of these is a verdict on the target.

Trouble            something passing got in the way (network, rate limit, a stranger's trade): start over
Undecidable        it got in the way for good, or the target cannot be brought into the state: undecided
NotExercised       the target lacks what the case needs (an account, a credential): not exercised
LimitReached       the time that the user gave is over: this case and all others end at once, undecided
BookNeeded         a case that overlaps with others asks for prices at which orders trade: put off, not a trouble
"""

from __future__ import annotations


class Trouble(Exception):
    """Passing trouble; the case starts over with fresh orders, after a while unless `wait` is False."""

    def __init__(self, text: str, *, wait: bool = True) -> None:
        super().__init__(text)
        self.wait = wait


class Undecidable(Exception):
    """The case should have been carried out and could not; the text says why."""


class NotExercised(Exception):
    """The target lacks what the case needs; the text says what."""


class LimitReached(Exception):
    """The longest duration that the user set is over; no patience and no other driver may go on."""


class BookNeeded(Exception):
    """The case needs the book for itself, or one side of it if `one_sided`, and shares it with others now."""

    def __init__(self, *, one_sided: bool = False) -> None:
        super().__init__()
        self.one_sided = one_sided
