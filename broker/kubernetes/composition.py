"""Putting together what tells service accounts."""

from pathlib import Path

from broker.clock import Clock
from broker.kubernetes.key_source import KeySource
from broker.kubernetes.keys import Keys
from broker.kubernetes.own_token import OwnTokenError, own_issuer
from broker.kubernetes.service_accounts import ServiceAccounts


class SetupError(Exception):
    """Service accounts cannot be told here; the message says what is wrong, without content."""


def service_accounts(  # noqa: PLR0913  # each argument is a setting
    *,
    audience: str,
    issuer: str | None,
    jwks_url: str,
    token_file: Path,
    ca_file: Path | None,
    clock: Clock,
) -> ServiceAccounts:
    """Return what tells service accounts by their tokens for ``audience``; fetches nothing yet.

    Without ``issuer`` it is that of the broker's own token in ``token_file``. Without ``ca_file``
    the system's certificate authorities count. Raises SetupError.
    """
    try:
        expected = issuer if issuer is not None else own_issuer(token_file)
        source = KeySource(jwks_url, token_file=token_file, ca_file=ca_file)
    except OwnTokenError as error:
        raise SetupError(f"the issuer of the own token cannot be told: {error}") from None
    except OSError:
        raise SetupError("the CA file cannot be read, or holds no certificates") from None
    except ValueError as error:
        raise SetupError(str(error)) from None
    return ServiceAccounts(audience, expected, Keys(source.fetch, clock), clock)
