"""From an error of redis-py to the fault of Redis that it tells of."""

import re
import socket
import ssl
from collections.abc import Iterable, Iterator

from redis import exceptions as theirs
from redis.sentinel import MasterNotFoundError

from broker.store_faults import BY_CODE, Reason, StoreFault

# The first that fits an error or a cause of it counts: some are subclasses of others below them.
_CLASSES: tuple[tuple[type[BaseException], StoreFault], ...] = (
    (socket.gaierror, StoreFault.NAME_UNKNOWN),
    (ssl.SSLCertVerificationError, StoreFault.CERTIFICATE),
    (ssl.SSLError, StoreFault.TLS),
    (theirs.AuthenticationError, StoreFault.LOGIN),
    (theirs.AuthenticationWrongNumberOfArgsError, StoreFault.LOGIN),
    (MasterNotFoundError, StoreFault.NO_PRIMARY),
    (ConnectionRefusedError, StoreFault.REFUSED),
    (FileNotFoundError, StoreFault.REFUSED),
    (theirs.InvalidResponse, StoreFault.NOT_REDIS),
    (theirs.TimeoutError, StoreFault.TIMEOUT),
    (TimeoutError, StoreFault.TIMEOUT),
    (theirs.ClusterError, StoreFault.CLUSTER_DOWN),
    (theirs.RedisClusterException, StoreFault.CLUSTER_DOWN),
    (theirs.ConnectionError, StoreFault.CONNECTION),
)
# What Redis says under its general code ERR, in the words of 6.0 to 8.2 and of Valkey.
_SENTENCES: tuple[tuple[re.Pattern[str], StoreFault], ...] = (
    (re.compile("max number of clients"), StoreFault.MAX_CLIENTS),
    # To a command of more than ten words by a client that has not logged in.
    (re.compile("unauthenticated (multi)?bulk length"), StoreFault.LOGIN),
    (re.compile("unknown .*command", re.IGNORECASE), StoreFault.RENAMED),
    (re.compile("access (at least )?(one of the|a) key"), StoreFault.KEYS),
    (
        re.compile("access (at least )?(one of the|a) channel|publish to the channel"),
        StoreFault.CHANNELS,
    ),
    (re.compile("can't run this command|permissions to run the"), StoreFault.PERMISSION),
)
_COMMAND = re.compile(r"(?:run the|unknown command) ['`]([A-Za-z|]+)['`]")
_CODE = re.compile(r"[A-Z][A-Z0-9_]*\b")
# Redis 6 puts the error of a script's command behind words of its own.
_IN_A_SCRIPT = re.compile(r"^Error running script .*?: -([A-Z]+) ")


def reason_of(error: BaseException) -> Reason:
    """Return why Redis failed: by the code or words of its answer, or by the class of the error.

    An answer whose code is not known is told by that code, and any other error by its class.
    """
    chain = list(_chain(error))
    replies = [one for one in chain if isinstance(one, theirs.RedisError)]
    return _of_replies(replies) or _of_classes(chain) or _unknown(error, replies)


def _of_replies(replies: Iterable[theirs.RedisError]) -> Reason | None:
    for reply in replies:
        text = str(reply)
        # A user that may not use a key has NOPERM as well: the words tell more than the code.
        for pattern, fault in _SENTENCES:
            if pattern.search(text):
                return Reason(fault, _command(text) if fault in _NAMES_COMMAND else "")
        fault_of_code = BY_CODE.get(_code(reply))
        if fault_of_code is not None:
            return Reason(fault_of_code, _command(text) if fault_of_code in _NAMES_COMMAND else "")
    return None


_NAMES_COMMAND = frozenset({StoreFault.PERMISSION, StoreFault.RENAMED})


def _of_classes(chain: Iterable[BaseException]) -> Reason | None:
    chain = list(chain)
    for kind, fault in _CLASSES:
        if any(isinstance(one, kind) for one in chain):
            return Reason(fault)
    return None


def _unknown(error: BaseException, replies: Iterable[theirs.RedisError]) -> Reason:
    codes = (_code(reply) for reply in replies)
    return Reason(StoreFault.UNKNOWN, next(filter(None, codes), type(error).__name__))


def _code(reply: theirs.RedisError) -> str:
    """Return the code of an answer, which redis-py cuts off where it knows it; else empty."""
    text = str(reply)
    if inner := _IN_A_SCRIPT.match(text):
        return inner[1]
    if reply.status_code:
        return str(reply.status_code)
    found = _CODE.match(text) if isinstance(reply, theirs.ResponseError) else None
    return found[0] if found else ""


def _command(text: str) -> str:
    found = _COMMAND.search(text)
    return found[1].lower() if found else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    beneath: BaseException | None = error
    while beneath is not None:
        yield beneath
        beneath = beneath.__cause__ or beneath.__context__
