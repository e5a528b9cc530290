"""What the exchange refuses, and the answer that each refusal gets.

ApiError
├── BadRequest            400  ``invalid id`` and other malformed input; the string is given
├── OrderRefused          400  a rule of the market; the string is given
├── Unauthorized          401  empty body
├── Forbidden             403  FORBIDDEN
├── OrderNotFound         404  ORDER_NOT_FOUND
├── MarketNotFound        404  MARKET_NOT_FOUND
├── MarketHalted          409  MARKET_HALTED
├── MarketDelisted        410  MARKET_DELISTED
├── BodyTooLarge          413  BODY_TOO_LARGE
└── Unavailable           503
    ├── EngineBusy             ENGINE_BUSY
    ├── EngineRestarting       ENGINE_RESTARTING
    └── TradingDisabled        spot trading disabled

The strings are those of the Cancel Order, Errors and New Order pages; malformed input that no page names
follows the pattern of ``invalid id``.
"""

from __future__ import annotations


class ApiError(Exception):
    """A refusal with its HTTP ``status`` and its ``error`` string."""

    status = 500
    error = "INTERNAL_ERROR"

    def __init__(self, error: str | None = None) -> None:
        if error is not None:
            self.error = error
        super().__init__(self.error)


class BadRequest(ApiError):
    """The request is malformed."""

    status = 400
    error = "invalid request"


class OrderRefused(ApiError):
    """The order breaks a rule of the market."""

    status = 400
    error = "INVALID_ORDER"


class Unauthorized(ApiError):
    """No credentials, or bad ones. The reason is for the log only: the answer must not tell."""

    status = 401


class Forbidden(ApiError):
    """The order belongs to another user."""

    status = 403
    error = "FORBIDDEN"


class OrderNotFound(ApiError):
    """No such order, or it is terminal."""

    status = 404
    error = "ORDER_NOT_FOUND"


class MarketNotFound(ApiError):
    """No such market."""

    status = 404
    error = "MARKET_NOT_FOUND"


class MarketHalted(ApiError):
    """The market takes cancels, but no orders."""

    status = 409
    error = "MARKET_HALTED"


class MarketDelisted(ApiError):
    """The market is gone."""

    status = 410
    error = "MARKET_DELISTED"


class BodyTooLarge(ApiError):
    """The request's body exceeds what the server reads."""

    status = 413
    error = "BODY_TOO_LARGE"


class Unavailable(ApiError):
    """The engine does not take the command now; nothing has changed."""

    status = 503


class EngineBusy(Unavailable):
    """The market's command queue is full."""

    error = "ENGINE_BUSY"


class EngineRestarting(Unavailable):
    """The market's book is being rebuilt."""

    error = "ENGINE_RESTARTING"


class TradingDisabled(Unavailable):
    """Trading is switched off: reads still answer."""

    error = "spot trading disabled"
