"""The broker's own service-account token as a file to watch: the kubelet renews it."""

from dataclasses import dataclass
from pathlib import Path

from broker.files.reading import signature
from broker.files.watch import Reading, Watched
from broker.kubernetes.own_token import OwnTokenError, read_own_token
from broker.secret import Secret

SETTING = "BROKER_KUBERNETES_TOKEN_FILE"


@dataclass(frozen=True, slots=True)
class _OwnTokenSource:
    path: Path

    def signature(self) -> object:
        """Return what changes when the file does."""
        return signature(self.path)

    def read(self, current: Secret) -> Reading[Secret]:
        """Return the token of the file; ``current`` if there is none."""
        try:
            return Reading(read_own_token(self.path))
        except OwnTokenError as error:
            return Reading(current, (f"{SETTING} cannot be used: {error}",))


def watch_own_token(path: Path) -> Watched[Secret]:
    """Read the token, to be polled from now on; empty while there never was one."""
    return Watched(_OwnTokenSource(path), Secret(""))
