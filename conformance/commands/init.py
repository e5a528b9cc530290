"""`spot-conformance init`: a commented conformance.toml to fill in."""

from __future__ import annotations

import os
from pathlib import Path

from conformance.errors import ConfigError

_TEMPLATE = """\
# Settings of spot-conformance. Flags win over the environment (SPOT_CONFORMANCE_...), and that over this file.
# A value may come from the environment, "${STAGING_SECRET}", or be what a command prints, "!pass show staging/key".

[target]
base_url = @BASE_URL@   # with the base path, no slash at the end
# symbol = "DFUSDT"         # default: DFUSDT, else the first market listed
# price = "0.5"             # about where the market trades; found by post-only orders if it is not given
# timeout_s = 10            # how long one request may take
# ca_file = "staging-ca.pem"        # trust this certificate authority
# client_cert = "client.pem"        # client certificate and key in one PEM file
# insecure = false                  # true: do not check the target's certificate
# restart_command = "ssh staging systemctl restart engine"   # restarts the target, for the checks that need it
# A proxy is taken from HTTPS_PROXY and NO_PROXY, except for a target on this machine.

# The owner's orders are canceled. A JWT, an API key with its secret, or (best) both.
[accounts.owner]
# jwt = "${STAGING_OWNER_JWT}"
# expired_jwt = "${STAGING_OWNER_EXPIRED_JWT}"   # to see that it is refused
# api_key = "${STAGING_OWNER_KEY}"
# api_secret = "!pass show staging/owner-secret"

# The counterparty trades with the owner, and is the other user whose orders nobody else may cancel.
[accounts.counterparty]
# jwt = "${STAGING_COUNTERPARTY_JWT}"
# api_key = "${STAGING_COUNTERPARTY_KEY}"
# api_secret = "!pass show staging/counterparty-secret"

[safety]
allow_trading = false       # true: a target that is not this machine may be traded on
forbidden_hosts = []        # never run there, whatever else is set: ["api.example"]
# max_notional = "20"       # of one order, in the quote token
# max_orders = 8000         # of one run
# max_requests_per_second = 20
# max_duration_s = 1800
# max_parallel = 1          # cases at the same time; default: by the time that the target takes to answer

# A violation that is known and accepted until a day. It is still looked for; it is an error if it is gone.
# [[waiver]]
# requirement = "cancel.fields.updated-at"
# reason = "ticket 123"
# until = "2030-01-31"
# message = "updated_at lies before the cancel"   # what the finding must say (part of it)
"""


def write_config(path: Path, *, base_url: str | None = None, force: bool = False) -> None:
    """Write a commented settings file to `path`, readable by its owner only, since secrets may go into it.

    Raises ConfigError if there is one already (and not `force`), or it cannot be written.
    """
    url = base_url or "https://staging.example/api/v1"
    quoted = '"' + url.replace("\\", "\\\\").replace('"', '\\"') + '"'
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(_TEMPLATE.replace("@BASE_URL@", quoted))
    except FileExistsError:
        raise ConfigError(f"{path} is there already", "pass --force to write over it") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", "choose another --config") from None
