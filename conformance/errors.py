"""What can go wrong outside of a verdict, each with its exit status and a hint.

SuiteError             a one-line message, a hint, an exit status
├── ConfigError        2   the user's settings, files or arguments
├── TargetError        3   the target cannot be reached or will not let us work
└── NothingToDo        4   nothing was selected
"""

from __future__ import annotations


class SuiteError(Exception):
    """An error that the user can act on: `message` says what is wrong, `hint` what to do about it."""

    exit_status = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(SuiteError):
    """Settings, credentials, files or arguments that cannot be used."""

    exit_status = 2


class TargetError(SuiteError):
    """The target is unreachable, refuses the credentials, or cannot be brought into a state."""

    exit_status = 3


class NothingToDo(SuiteError):
    """No case was selected."""

    exit_status = 4
