"""Every setting, declared once: its type, kind, default and meaning; all else comes from here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broker.credentials import CONSUMER, SECRET_KEY
from broker.limits import Limits
from broker.secret import Secret
from broker.settings.addresses import BIND, HOST, JWKS_URL, NETWORK, PROXY, REDIS, URL
from broker.settings.kinds import (
    AUDIT_LOG,
    FLAG,
    KEY_PREFIX,
    MODE,
    PATH,
    SECONDS,
    SHARE,
    TEXT,
    VISIBLE,
    CallerAuth,
    ClientCerts,
    LogFormat,
    LogLevel,
    ManagementTls,
    Tracing,
    choice,
    count,
    listed,
    matching,
    secret,
)
from broker.urls import location


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``BROKER_*`` says. Each field has the name of its setting in lower case.

    ``limits`` are those of the refresh protocol; ``secret_files`` the files that secrets were read
    from, by the names of their settings.
    """

    canvas_url: str = URL.default(
        "https://canvas.connectmyapps.com/api",
        "Base URL of Canvas; plain `http` only to a loopback host, or with "
        "`BROKER_CANVAS_ALLOW_HTTP=true`",
    )
    canvas_allow_http: bool = FLAG.default("false", "`true` lets keys travel over plain `http`")
    canvas_proxy: Secret | None = secret(PROXY, location).optional(
        "HTTP proxy on the way to Canvas, `http://user:password@host:port`; the proxy variables "
        "that other programs read are not looked at"
    )
    canvas_ca_file: Path | None = PATH.optional(
        "PEM file of the authorities trusted for Canvas, in place of the system's; read again when "
        "it changes"
    )
    canvas_calls_in_flight: int = count().default("100", "Most calls in flight of the whole fleet")
    canvas_calls_per_second: int = count().default("500", "Most calls a second of the whole fleet")
    credentials_dir: Path | None = PATH.optional(
        "Folder with one folder per organization, each with the files `consumer` and `secret-key`; "
        "read again when they change"
    )
    consumer: Secret | None = secret(matching(CONSUMER.pattern, "64 hexadecimal digits")).optional(
        "Consumer of the one organization `default`, in place of the folder"
    )
    secret_key: Secret | None = secret(
        matching(SECRET_KEY.pattern, "a UUID (8-4-4-4-12 hexadecimal digits)")
    ).optional("SecretKey of the one organization `default`, in place of the folder")
    redis_url: Secret = secret(REDIS, location).required(
        "`redis://`, `rediss://` (each `user:password@host:port/database`), `unix:///path`, "
        "`redis+sentinel://host:port,host:port/service` or `redis+cluster://host:port`"
    )
    redis_username: str | None = VISIBLE.optional("User name at Redis, where the URL has no login")
    redis_password: Secret | None = secret(TEXT).optional(
        "Password at Redis, where the URL has no login; any characters, as they are"
    )
    redis_sentinel_username: str | None = VISIBLE.optional(
        "User name at the sentinels, where the URL has none"
    )
    redis_sentinel_password: Secret | None = secret(TEXT).optional(
        "Password at the sentinels, where the URL has none"
    )
    redis_prefix: str = KEY_PREFIX.default("canvas-token-broker", "Beginning of every key in Redis")
    callers_file: Path | None = PATH.optional(
        "TOML file of the callers, or a [folder](#many-callers) with such files; required unless "
        "`BROKER_CALLER_AUTH=none`; read again when it changes"
    )
    caller_auth: CallerAuth = choice(CallerAuth).default(
        "keys",
        "`keys`: callers prove who they are as the callers file says; `none`: nobody is asked, "
        "refused unless every bind address is loopback or a Unix socket",
    )
    kubernetes_audience: str | None = VISIBLE.optional(
        "Audience of the service-account tokens by which Kubernetes callers prove who they are; "
        "without it none are taken"
    )
    kubernetes_issuer: str | None = VISIBLE.optional(
        "Issuer of these tokens; by default that of the broker's own token in "
        "`BROKER_KUBERNETES_TOKEN_FILE`"
    )
    kubernetes_jwks_url: str = JWKS_URL.default(
        "https://kubernetes.default.svc/openid/v1/jwks",
        "Where the cluster publishes the keys that its tokens are signed with; plain `http` only "
        "to a loopback host",
    )
    kubernetes_token_file: Path = PATH.default(
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "The broker's own service-account token: shown to `BROKER_KUBERNETES_TOKEN_HOST` when the "
        "keys are fetched, read again when it changes",
    )
    kubernetes_token_host: str = HOST.default(
        "kubernetes.default.svc",
        "The only host that this token is shown to; where `BROKER_KUBERNETES_JWKS_URL` has "
        "another, the keys are fetched without it",
    )
    kubernetes_lifetime_max: float = SECONDS.default(
        "86400",
        "Longest whole life, in seconds from `iat` to `exp`, of a service-account token that is "
        "taken",
    )
    kubernetes_ca_file: Path = PATH.default(
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "PEM file of the authorities trusted for `BROKER_KUBERNETES_JWKS_URL`; read again when it "
        "changes",
    )
    audit_log: str = AUDIT_LOG.default(
        "stdout",
        "Where the audit goes, a JSON line for each token served or refused: `stdout`, `stderr`, "
        "`none`, or the absolute path of a file that is appended to",
    )
    public_url: str | None = URL.optional(
        "URL under which callers reach the broker, for the OAuth 2.0 metadata; by default as each "
        "request names it"
    )
    tls_cert_file: Path | None = PATH.optional(
        "PEM file of the certificate chain to serve TLS with; read again when it changes"
    )
    tls_key_file: Path | None = PATH.optional("PEM file of its private key, without a passphrase")
    tls_client_ca_file: Path | None = PATH.optional(
        "PEM file of authorities whose client certificates are taken; without it none is asked for"
    )
    tls_client_certs: ClientCerts = choice(ClientCerts).default(
        "required",
        "`required`: nobody connects without a client certificate, health probes included; "
        "`optional`: one that is shown must be good",
    )
    hsts_max_age: int = count(0).default(
        "0", "Seconds of `Strict-Transport-Security`: only HTTPS for this host; 0: not told"
    )
    bind: tuple[str, ...] = listed(BIND).default(
        "127.0.0.1:8080",
        "Where to listen: comma-separated `host:port`, `[IPv6 address]:port` or `unix:/path`",
    )
    management_bind: tuple[str, ...] | None = listed(BIND).optional(
        "A [port for operators](#a-port-for-operators), written like `BROKER_BIND`: with it "
        "`/health`, `/metrics`, `/status` and `/openapi.json` answer there and nowhere else"
    )
    management_tls: ManagementTls = choice(ManagementTls).default(
        "same",
        "`same`: the port for operators is served like `BROKER_BIND`, with TLS and client "
        "certificates if that has them; `off`: plain HTTP",
    )
    listener: Path | None = PATH.optional(
        "Unix socket of a [listener](operations.md#a-listener), which holds the listening sockets "
        "while this process is started again; only without Unix sockets in `BROKER_BIND` and "
        "`BROKER_MANAGEMENT_BIND`"
    )
    trusted_proxies: tuple[str, ...] | None = listed(NETWORK).optional(
        "[Proxies](security.md#behind-a-proxy) that may name clients: networks"
    )
    socket_mode: int = MODE.default(
        "0660",
        "Mode of Unix sockets to listen on: who may connect. Their group is the broker's own",
    )
    workers: int = count().default("2", "Worker processes")
    threads: int = count(2).default("256", "Threads of each worker; at most half of them wait")
    reload_interval: float = SECONDS.default(
        "2", "Seconds between two looks at the [files](operations.md#files)"
    )
    keep_warm: float = SECONDS.default(
        "3600", "Seconds after its last request that an organization's token is kept warm"
    )
    log_level: LogLevel = choice(LogLevel).default("info", "Least severity of a log line")
    log_format: LogFormat = choice(LogFormat).default(
        "auto",
        "How a log line looks: `json`, `text` for people, or `auto`: text on a terminal, else JSON",
    )
    request_log: float = SHARE.default(
        "0.01",
        "Share of requests with a line in the log, 0 to 1; the audit has all that ask for a token",
    )
    metrics_organizations: bool = FLAG.default(
        "true",
        "`false` leaves organizations [out of the metrics](metrics.md#without-organizations)",
    )
    allow_debugging: bool = FLAG.default(
        "false",
        "`true` lets debuggers attach, cores be dumped, and other processes of the same user read "
        "memory and environment",
    )
    tracing: Tracing = choice(Tracing).default(
        "none",
        "`otlp` sends OpenTelemetry spans as the `OTEL_*` variables say, and needs the extra "
        "`canvas-token-broker[tracing]`; the `traceparent` of a request is in its log lines anyway",
    )
    runtime_dir: Path | None = PATH.optional(
        "Folder for what the workers share while they run, metrics and sockets; emptied at start; "
        "by default a new one in memory; for one broker alone, with 192 KB for each worker and "
        "their master"
    )
    drain_time: int = count(0).default(
        "0",
        "Seconds after SIGTERM for which everybody is still served and told to connect elsewhere, "
        "while load balancers forget this replica; 0 stops at once",
    )
    graceful_timeout: float = SECONDS.default(
        "25",
        "Seconds that a stopping worker has; at least the upstream deadline plus a request plus 5",
    )
    limits: Limits
    secret_files: Mapping[str, Path] = field(default_factory=dict, repr=False)
