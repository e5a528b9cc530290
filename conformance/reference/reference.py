"""Wires the parts of an exchange. Hooks get the result and may replace any method of any part on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from .accounts import Secrets
from .app import Api, App
from .auth import Authenticator
from .clock import Clock, IdGenerator
from .exchange import Exchange
from .responses import Responder
from .settings import Settings
from .store import Store
from .views import OrderView, TradeView

SECRETS_KEY = "secrets"


class Reference:
    """One exchange, not started. Its parts are ordinary objects whose methods look each other up when called.

    So ``setattr(reference.auth, "check_timestamp", lambda timestamp_ms: None)`` changes this exchange and no
    other. ``store_path`` overrides ``settings.db``; without either the data live in memory.
    """

    def __init__(
        self, settings: Settings, *, store_path: str | None = None, secrets: Secrets | None = None
    ) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock_offset_ms)
        self.ids = IdGenerator()
        self.store = Store(store_path or settings.db or ":memory:")
        self.secrets = secrets or stored_secrets(self.store)
        self.auth = Authenticator(self.secrets, self.clock, settings.auth_window_ms)
        self.exchange = Exchange(settings, self.store, self.clock, self.ids)
        self.orders = OrderView(settings)
        self.trades = TradeView()
        self.responder = Responder(settings)
        self.api = Api(self.exchange, self.auth, self.orders, self.trades, self.responder)
        self.app = App(self.api, settings, self.clock, self.responder, lambda _: self.running())
        for name in settings.hooks:
            apply_hook(self, name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the engine tasks for the time of the block, in the running event loop.

        Close the store after it.
        """
        self.exchange.start()
        try:
            yield
        finally:
            await self.exchange.stop()
            self.store.close()


def stored_secrets(store: Store) -> Secrets:
    """Return the secrets of the environment, else those of the database; one without gets random ones."""
    given = Secrets.from_environment()
    if given is not None:
        return given
    text = store.get_meta(SECRETS_KEY)
    if text is not None:
        return Secrets.from_json(text)
    fresh = Secrets.random()
    with store.transaction():
        store.set_meta(SECRETS_KEY, fresh.to_json())
    return fresh


def apply_hook(reference: Reference, name: str) -> None:
    """Call the function that ``module:function`` names with the reference."""
    module, _, function = name.partition(":")
    getattr(import_module(module), function)(reference)
