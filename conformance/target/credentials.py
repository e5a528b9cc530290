"""The accounts and their credentials, as far as they can be used.

A credential that the target refuses, or that expires, is given up: what needs it is then not decided, and all
else goes on without it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import httpx

from conformance.record import Auth
from conformance.target.clock import Clock
from conformance.target.settings import Account, Settings
from conformance.target.signing import ApiKeyAuth, JwtAuth, expiry_of
from conformance.target.trouble import NotExercised, Undecidable

_CASE_S = 15.0  # s that a token must still be good for when a case begins


@dataclass(frozen=True)
class Credential:
    """How a request is signed, and what the record says about it."""

    auth: Auth | None
    signer: httpx.Auth | None


class Credentials:
    """The accounts of a run. `settings` has those, and their credentials, that were not given up."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self._began = time.time()
        self._unusable: dict[tuple[str, str], str] = {}  # why a credential that was given is not used
        self._refused: dict[tuple[str, str], Account] = {}  # those of them that the target lets nobody in with

    def account(self, name: str) -> Account:
        """The account called `name`; raises NotExercised if it was not given, Undecidable if it cannot be used."""
        account = self.settings.accounts.get(name)
        if account is None:
            if why := [text for (account_name, _), text in list(self._unusable.items()) if account_name == name]:
                raise Undecidable(why[0])
            raise NotExercised(f"no {name} account was given")
        return account

    def offered(self, name: str, scheme: str) -> Account:
        """The account with this credential, be it that the target refuses it: spoiled, it must be refused as well.

        Raises NotExercised if it was not given, Undecidable if it cannot be used for another reason.
        """
        if (name, scheme) in self._refused:
            return self._refused[name, scheme]
        self.of(name, scheme)
        return self.account(name)

    def give_up(self, name: str, scheme: str, why: str, *, refused: bool = False) -> bool:
        """Use this credential of an account no more, and the account neither if it was the last.

        `refused` says that the target did not let it in at all: spoiled ones can be tried all the same.
        Returns False, and changes nothing, if it is the owner's last: without an owner nothing can be done.
        """
        account = self.account(name)
        if name == "owner" and account.schemes == [scheme]:
            return False
        self._unusable[name, scheme] = why
        if refused:
            self._refused[name, scheme] = account
        rest = replace(account, jwt=None) if scheme == "jwt" else replace(account, api_key=None, api_secret=None)
        if name == "owner":
            self.settings = replace(self.settings, owner=rest)
        else:
            self.settings = replace(self.settings, counterparty=rest if rest.schemes else None)
        return True

    def give_up_expiring(self) -> None:
        """Use no token any more that may expire before a case ends. Raises Undecidable if the owner has no other.

        One that had expired when the run began, and is accepted, is as good as any.
        """
        now = time.time() + self.clock.offset
        for name, account in self.settings.accounts.items():
            end = expiry_of(account.jwt) if account.jwt else None
            if end is None or not self._began < end < now + _CASE_S:
                continue
            why = f"the jwt of the {name} account expires during the run: give one that is good for longer"
            if not self.give_up(name, "jwt", why):
                raise Undecidable(why)

    def default_scheme(self, name: str) -> str:
        """The scheme used for set-up: JWT if there is one, since it needs no clock."""
        return self.account(name).schemes[0]

    def of(self, name: str, scheme: str | None = None) -> Credential:
        """A good credential of an account; raises NotExercised without any, Undecidable if it cannot be used."""
        account = self.account(name)
        scheme = scheme or account.schemes[0]
        if (name, scheme) in self._unusable:
            raise Undecidable(self._unusable[name, scheme])
        if scheme not in account.schemes:
            raise NotExercised(f"the {name} account has no {scheme}")
        if scheme == "jwt":
            return Credential(Auth(name, "jwt"), JwtAuth(f"Bearer {account.jwt}"))
        return Credential(Auth(name, "api_key"), ApiKeyAuth(account, self.clock.stamp_ms))
