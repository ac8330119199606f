"""The one table of what can be wrong with Redis: a word, what it means, what to do about it.

What an error of redis-py means is told by :mod:`broker.store.trouble`, with the codes of this
table. The word is the label of ``broker_redis_errors_total`` and the ``reason`` in log and health.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class StoreFault(StrEnum):
    """What is wrong with Redis, as one word."""

    NAME_UNKNOWN = "name_unknown"
    REFUSED = "refused"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    TLS = "tls"
    NOT_REDIS = "not_redis"
    LOGIN = "login"
    PROTECTED_MODE = "protected_mode"
    MAX_CLIENTS = "max_clients"
    PERMISSION = "permission"
    KEYS = "keys"
    CHANNELS = "channels"
    RENAMED = "renamed"
    OUT_OF_MEMORY = "out_of_memory"
    CANNOT_PERSIST = "cannot_persist"
    TOO_FEW_REPLICAS = "too_few_replicas"
    READ_ONLY = "read_only"
    LOADING = "loading"
    BUSY = "busy"
    NO_PRIMARY = "no_primary"
    MOVED = "moved"
    CLUSTER_DOWN = "cluster_down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: the error ``codes`` that Redis answers with, and sentences for people.

    ``lasts``: it never passes by itself. ``refuses_writes``: reading may work all the same. The
    sentences may name ``{what}``: the command, or the code that is not known.
    """

    sentence: str
    remedy: str
    codes: tuple[str, ...] = ()
    lasts: bool = False
    refuses_writes: bool = False


TABLE: Mapping[StoreFault, Row] = {
    StoreFault.NAME_UNKNOWN: Row(
        "The host name of Redis cannot be resolved.",
        "Correct BROKER_REDIS_URL, or the name service.",
    ),
    StoreFault.REFUSED: Row(
        "The connection to Redis is refused.",
        "Start Redis, or correct the address in BROKER_REDIS_URL.",
    ),
    StoreFault.CONNECTION: Row(
        "The connection to Redis fails or breaks.",
        "Check that Redis runs, and the network to it.",
    ),
    StoreFault.TIMEOUT: Row(
        "Redis does not answer in time.",
        "Check the network and its firewalls, and the load of Redis; the limits are "
        "BROKER_REDIS_CONNECT_TIMEOUT and BROKER_REDIS_TIMEOUT.",
    ),
    StoreFault.CERTIFICATE: Row(
        "The certificate of Redis is not trusted, has expired, or is for another host.",
        "Name its authority by ssl_ca_certs in BROKER_REDIS_URL, or replace the certificate.",
        lasts=True,
    ),
    StoreFault.TLS: Row(
        "TLS with Redis fails.",
        "Check whether Redis speaks TLS at this port (rediss://), and whether it wants a client "
        "certificate (ssl_certfile, ssl_keyfile).",
    ),
    StoreFault.NOT_REDIS: Row(
        "What answers does not speak the protocol of Redis.",
        "Correct scheme, host and port in BROKER_REDIS_URL.",
    ),
    StoreFault.LOGIN: Row(
        "Redis refuses the user or password, or asks for one.",
        "Correct BROKER_REDIS_URL, or BROKER_REDIS_USERNAME and BROKER_REDIS_PASSWORD.",
        ("NOAUTH", "WRONGPASS"),
        lasts=True,
    ),
    StoreFault.PROTECTED_MODE: Row(
        "Redis is in protected mode: without a password it serves its own host only.",
        "Set a password in Redis, or protected-mode no.",
        ("DENIED",),
        lasts=True,
    ),
    StoreFault.MAX_CLIENTS: Row(
        "Redis has no room for another client.",
        "Raise its maxclients, or find out who holds the connections (CLIENT LIST).",
    ),
    StoreFault.PERMISSION: Row(
        "The user of Redis may not run {what}.",
        "Add {rules} to its ACL.",
        ("NOPERM",),
        lasts=True,
        refuses_writes=True,
    ),
    StoreFault.KEYS: Row(
        "The user of Redis may not use the keys of the broker.",
        "Add ~{prefix}:* to its ACL.",
        lasts=True,
        refuses_writes=True,
    ),
    StoreFault.CHANNELS: Row(
        "The user of Redis may not use the channel of the broker.",
        "Add &{prefix}:* to its ACL.",
        lasts=True,
    ),
    StoreFault.RENAMED: Row(
        "Redis does not know {what}: renamed, or disabled.",
        "Remove its rename-command from the configuration of Redis, or use a server that has it.",
        lasts=True,
        refuses_writes=True,
    ),
    StoreFault.OUT_OF_MEMORY: Row(
        "Redis has no memory left, and refuses writes.",
        "Raise its maxmemory, or remove what else it holds.",
        ("OOM",),
        refuses_writes=True,
    ),
    StoreFault.CANNOT_PERSIST: Row(
        "Redis cannot save to its disk, and refuses writes.",
        "Make room on its disk, or correct the rights of its folder; its log says which.",
        ("MISCONF",),
        refuses_writes=True,
    ),
    StoreFault.TOO_FEW_REPLICAS: Row(
        "Redis has too few replicas in step, and refuses writes.",
        "Bring the replicas back, or lower its min-replicas-to-write.",
        ("NOREPLICAS",),
        refuses_writes=True,
    ),
    StoreFault.READ_ONLY: Row(
        "This Redis is a replica, and takes no writes.",
        "Wait if a failover is under way; else name the primary or its sentinels in "
        "BROKER_REDIS_URL.",
        ("READONLY", "MASTERDOWN"),
        refuses_writes=True,
    ),
    StoreFault.LOADING: Row(
        "Redis is still loading its data.",
        "Wait until it has; its log tells how far it is.",
        ("LOADING",),
    ),
    StoreFault.BUSY: Row(
        "Redis is busy with somebody's script.",
        "Find out whose it is; SCRIPT KILL ends one that has written nothing.",
        ("BUSY",),
    ),
    StoreFault.NO_PRIMARY: Row(
        "No sentinel knows a living primary of this service.",
        "Correct the service in BROKER_REDIS_URL, or bring the primary back.",
    ),
    StoreFault.MOVED: Row(
        "This Redis is a node of a cluster, and the URL is that of a single server.",
        "Let BROKER_REDIS_URL begin with redis+cluster:// or rediss+cluster://.",
        ("MOVED", "ASK"),
        lasts=True,
    ),
    StoreFault.CLUSTER_DOWN: Row(
        "The cluster does not serve all its slots, or this is no cluster (redis+cluster://).",
        "Bring the nodes back that are missing; CLUSTER INFO at any of them tells more.",
        ("CLUSTERDOWN",),
    ),
    StoreFault.UNKNOWN: Row(
        "Redis fails in a way that the broker does not know: {what}.",
        "Look this code up in the log and the documentation of Redis.",
    ),
}
BY_CODE: Mapping[str, StoreFault] = {
    code: fault for fault, row in TABLE.items() for code in row.codes
}
_NAMELESS: Mapping[StoreFault, str] = {
    StoreFault.PERMISSION: "a command that the broker needs",
    StoreFault.RENAMED: "a command that the broker needs",
    StoreFault.UNKNOWN: "an error without a code",
}
_DETAIL = re.compile(r"[A-Za-z][A-Za-z0-9_|,]{0,199}")
_RULES = "the rule that `broker check` names"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why Redis did not do what it was asked, and safe to be shown anywhere.

    ``detail`` is what the table's sentence leaves open: commands with commas between, or a code.
    Raises ValueError for any other text.
    """

    fault: StoreFault
    detail: str = ""

    def __post_init__(self) -> None:
        if self.detail and not _DETAIL.fullmatch(self.detail):
            raise ValueError("not a detail")

    def __str__(self) -> str:
        return f"{self.fault}:{self.detail}" if self.detail else str(self.fault)

    @property
    def row(self) -> Row:
        """Return what the table says of it."""
        return TABLE[self.fault]

    @property
    def sentence(self) -> str:
        """Return what is wrong, as a sentence."""
        named = ", ".join(self.detail.split(","))
        return self.row.sentence.format(what=named or _NAMELESS.get(self.fault, ""))

    def remedy(self, prefix: str = "<BROKER_REDIS_PREFIX>") -> str:
        """Return what to do, as a sentence; ``prefix`` is that of the broker's keys."""
        rules = " ".join(f"+{one}" for one in self.detail.split(",") if one)
        return self.row.remedy.format(rules=rules or _RULES, prefix=prefix)


NOT_FORESEEN = Reason(StoreFault.UNKNOWN)


def read_reason(text: str) -> Reason:
    """Return the reason that is written so; what is no reason becomes an unknown one."""
    word, _, detail = text.partition(":")
    try:
        return Reason(StoreFault(word), detail)
    except ValueError:
        return NOT_FORESEEN
