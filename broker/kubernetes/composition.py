"""Putting together what tells service accounts."""

import ssl
from collections.abc import Callable

from broker.clock import Clock
from broker.kubernetes.key_source import KeySource
from broker.kubernetes.keys import Keys
from broker.kubernetes.service_accounts import ServiceAccounts
from broker.secret import Secret


class SetupError(Exception):
    """Service accounts cannot be told here; the message says what is wrong, without content."""


def service_accounts(  # noqa: PLR0913  # each argument is a setting
    *,
    audience: str,
    issuer: str,
    jwks_url: str,
    token: Callable[[], Secret],
    token_host: str,
    longest_life: float,
    tls: Callable[[], ssl.SSLContext] | None,
    clock: Clock,
) -> ServiceAccounts:
    """Return what tells service accounts by their tokens for ``audience``; fetches nothing yet.

    ``token``, ``token_host`` and ``tls`` as in :class:`KeySource`. Raises SetupError.
    """
    try:
        source = KeySource(jwks_url, token=token, token_host=token_host, tls=tls)
    except ValueError as error:
        raise SetupError(str(error)) from None
    keys = Keys(source.fetch, clock)
    return ServiceAccounts(audience, issuer, keys, clock, longest_life)
