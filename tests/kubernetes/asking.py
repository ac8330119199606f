"""How tests ask for what they must not get."""

import pytest

from broker.errors import InvalidCredentialError, TemporarilyUnavailableError
from broker.kubernetes import Keys, ServiceAccounts


def refused(accounts: ServiceAccounts, token: str) -> None:
    """Present a token that is wrong; nothing of it comes back."""
    with pytest.raises(InvalidCredentialError) as found:
        accounts.identify(token)
    assert found.value.args == ()
    assert found.value.__cause__ is None
    assert found.value.__context__ is None


def cannot_tell(keys: Keys, kid: str) -> float:
    """Look for a key in vain without being told that there is none; return when to ask again."""
    with pytest.raises(TemporarilyUnavailableError) as found:
        keys.find(kid)
    assert found.value.__context__ is None
    return found.value.retry_after
