"""How much load: users, orders a second, duration, each with a default and a bound that nothing lifts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from conformance.errors import ConfigError
from conformance.target.settings import Safety, Settings

USERS, MAX_USERS = 4, 1000
RATE, MAX_RATE = 20.0, 1000.0
DURATION_S, MAX_DURATION_S = 30.0, 86_400.0
MAX_ORDERS = 1_000_000
Role = Literal["local", "master", "worker"]


@dataclass(frozen=True)
class Plan:
    """The load of all processes together: `rate` is orders placed a second, `max_orders` their number at most.

    `workers` is how many processes share it (1: this one).
    """

    users: int = USERS
    rate: float = RATE
    duration_s: float = DURATION_S
    max_orders: int = Safety.max_orders
    seed: int = 0
    workers: int = 1

    @property
    def user_rate(self) -> float:
        """Orders a second of one user."""
        return self.rate / self.users

    @property
    def user_orders(self) -> int:
        """Orders that one user may place."""
        return max(1, self.max_orders // self.users)


@dataclass(frozen=True)
class Job:
    """What the Locust process is told, through a pipe, since the settings hold secrets."""

    settings: Settings
    plan: Plan
    report_dir: str
    command: str
    role: Role = "local"
    host: str = "127.0.0.1"
    port: int = 5557


def make_plan(settings: Settings, options: dict[str, Any]) -> Plan:
    """The plan that the options ask for; raises ConfigError for one beyond a bound, or beyond `[safety]`."""
    asked = options.get("max_orders")
    limit = asked or (MAX_ORDERS if settings.embedded else settings.safety.max_orders)
    plan = Plan(
        users=options["users"],
        rate=options["rate"],
        duration_s=options["duration"],
        max_orders=min(limit, MAX_ORDERS),
        seed=options["seed"],
        workers=options.get("expect_workers") or 1,
    )
    longest = settings.safety.max_duration_s
    if longest is not None and plan.duration_s > longest:
        raise ConfigError(
            f"{plan.duration_s:g} s are more than the {longest:g} s of safety.max_duration_s",
            "give a shorter --duration",
        )
    orders = plan.rate * plan.duration_s
    if orders > plan.max_orders:
        raise ConfigError(
            f"{plan.rate:g} orders/s for {plan.duration_s:g} s are {orders:.0f} orders, "
            f"the limit is {plan.max_orders}",
            f"pass --max-orders (at most {MAX_ORDERS}), or less --rate or --duration",
        )
    if plan.users < plan.workers:
        raise ConfigError(f"{plan.users} users cannot be shared by {plan.workers} workers", "pass more --users")
    return plan


def process_settings(settings: Settings, plan: Plan) -> Settings:
    """The settings of one of the processes: its share of the limit on requests a second, the whole's on orders."""
    rate = settings.safety.max_requests_per_second
    safety = replace(
        settings.safety,
        max_orders=plan.max_orders + 1000,  # users keep to their own share; this bounds contact and controls too
        max_requests_per_second=rate / plan.workers if rate else None,
        max_duration_s=None,  # the plan's duration ends it; cleaning up may take longer
    )
    return replace(settings, safety=safety)


def user_settings(settings: Settings, plan: Plan) -> Settings:
    """The settings of one user: its share of the orders."""
    return replace(settings, safety=replace(settings.safety, max_orders=plan.user_orders))
