"""The one table from an error of redis-py to a word for what is wrong with Redis."""

import re
import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum

from redis import exceptions as theirs
from redis.sentinel import MasterNotFoundError


class Trouble(StrEnum):
    """What is wrong with Redis, as one word."""

    NAME = "name"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    TLS = "tls"
    LOGIN = "login"
    PRIMARY = "primary"
    """No sentinel knows a living primary."""
    CLUSTER = "cluster"
    """The cluster does not serve all slots, or what answers is no cluster."""
    READ_ONLY = "read_only"
    FULL = "full"
    LOADING = "loading"
    DENIED = "denied"
    """The user may not run a command."""
    KEYS = "keys"
    """The user may not use the keys of the prefix."""
    SCRIPTS = "scripts"
    """The scripts fail, and nobody foresaw why."""
    OTHER = "other"


_COMMAND = re.compile(r"run the '([a-z|]+)' command")
# The first that fits counts: some of these are subclasses of others below them.
_TROUBLES: tuple[tuple[type[BaseException], Trouble], ...] = (
    (socket.gaierror, Trouble.NAME),
    (ssl.SSLCertVerificationError, Trouble.CERTIFICATE),
    (ssl.SSLError, Trouble.TLS),
    (theirs.AuthenticationError, Trouble.LOGIN),
    (theirs.AuthenticationWrongNumberOfArgsError, Trouble.LOGIN),
    (theirs.NoPermissionError, Trouble.DENIED),
    (theirs.BusyLoadingError, Trouble.LOADING),
    (MasterNotFoundError, Trouble.PRIMARY),
    (theirs.ReadOnlyError, Trouble.READ_ONLY),
    (theirs.MasterDownError, Trouble.READ_ONLY),
    (theirs.OutOfMemoryError, Trouble.FULL),
    (theirs.TimeoutError, Trouble.TIMEOUT),
    (TimeoutError, Trouble.TIMEOUT),
    (theirs.ClusterError, Trouble.CLUSTER),
    (theirs.RedisClusterException, Trouble.CLUSTER),
    (theirs.ConnectionError, Trouble.CONNECT),
)


def trouble_of(error: BaseException) -> Trouble:
    """Return the word for an error of redis-py: that of the first row that fits it or a cause."""
    chain = list(_chain(error))
    for kind, trouble in _TROUBLES:
        if any(isinstance(one, kind) for one in chain):
            return trouble
    return Trouble.OTHER


def denied_command(error: BaseException) -> str:
    """Return the command that Redis says the user may not run; empty if it names none.

    A connection may need commands of its own: SELECT, the layout of a cluster, a sentinel's list.
    """
    for one in _chain(error):
        if isinstance(one, theirs.NoPermissionError) and (found := _COMMAND.search(str(one))):
            return found[1]
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    beneath: BaseException | None = error
    while beneath is not None:
        yield beneath
        beneath = beneath.__cause__ or beneath.__context__
