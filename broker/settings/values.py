"""The settings as one immutable value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from broker.limits import Limits
from broker.secret import Secret


class CallerAuth(StrEnum):
    """How callers prove who they are."""

    KEYS = "keys"
    """By the credentials that the callers file names."""
    NONE = "none"
    """Not at all; for development on a loopback address."""


class ClientCerts(StrEnum):
    """Whether a caller must show a certificate of its own, where client authorities are given."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class ManagementTls(StrEnum):
    """How the management port is served."""

    SAME = "same"
    """As the callers' port is: with its certificate and client authorities, if it has any."""
    OFF = "off"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class Tracing(StrEnum):
    """Where spans go."""

    NONE = "none"
    OTLP = "otlp"


class LogLevel(StrEnum):
    """From which severity on log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``BROKER_*`` says; ``docs/settings.md`` tells what each field means.

    Each field has the name of its setting, without the prefix and in lower case. Durations are
    seconds. Either ``credentials_dir`` or both ``consumer`` and ``secret_key`` are set;
    ``callers_file`` is set unless ``caller_auth`` is ``NONE``. ``secret_files`` are the files that
    secrets were read from, by the names of their settings.
    """

    canvas_url: str
    canvas_allow_http: bool
    canvas_proxy: Secret | None
    canvas_ca_file: Path | None
    canvas_calls_in_flight: int
    canvas_calls_per_second: int
    credentials_dir: Path | None
    consumer: Secret | None
    secret_key: Secret | None
    redis_url: Secret
    redis_username: str | None
    redis_password: Secret | None
    redis_sentinel_username: str | None
    redis_sentinel_password: Secret | None
    redis_prefix: str
    callers_file: Path | None
    caller_auth: CallerAuth
    kubernetes_audience: str | None
    kubernetes_issuer: str | None
    kubernetes_jwks_url: str
    kubernetes_token_file: Path
    kubernetes_token_host: str
    kubernetes_lifetime_max: float
    kubernetes_ca_file: Path
    audit_log: str
    public_url: str | None
    tls_cert_file: Path | None
    tls_key_file: Path | None
    tls_client_ca_file: Path | None
    tls_client_certs: ClientCerts
    hsts_max_age: int
    bind: tuple[str, ...]
    management_bind: tuple[str, ...] | None
    management_tls: ManagementTls
    listener: Path | None
    trusted_proxies: tuple[str, ...] | None
    socket_mode: int
    workers: int
    threads: int
    reload_interval: float
    keep_warm: float
    log_level: LogLevel
    log_format: LogFormat
    request_log: float
    metrics_organizations: bool
    allow_debugging: bool
    tracing: Tracing
    runtime_dir: Path | None
    drain_time: int
    graceful_timeout: float
    limits: Limits
    secret_files: Mapping[str, Path] = field(default_factory=dict, repr=False)
