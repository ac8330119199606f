"""The settings that are fields of ``Settings``, each with its kind, default and meaning."""

import re
from typing import Any

from broker.credentials import CONSUMER, SECRET_KEY
from broker.settings.bind import audit_log, bind_address, network
from broker.settings.fields import (
    Choice,
    Count,
    Duration,
    Flag,
    Location,
    Mode,
    SecretText,
    Setting,
    Share,
    Text,
    Texts,
    matching,
)
from broker.settings.urls import (
    canvas_url,
    host_name,
    jwks_url,
    location,
    proxy_url,
    public_url,
    redis_url,
)
from broker.settings.values import (
    CallerAuth,
    ClientCerts,
    LogFormat,
    LogLevel,
    ManagementTls,
    Tracing,
)

_prefix = matching(
    re.compile(r"[A-Za-z0-9:_.-]{1,64}"), "must be 1 to 64 letters, digits, ':', '_', '.' and '-'"
)
_visible = matching(re.compile(r"[!-~]{1,255}"), "must be 1 to 255 visible ASCII characters")

DECLARED: dict[str, Setting[Any]] = {
    "canvas_url": Text(
        "Base URL of Canvas; plain `http` only to a loopback host, or with "
        "`BROKER_CANVAS_ALLOW_HTTP=true`",
        accept=canvas_url,
        default="https://canvas.connectmyapps.com/api",
    ),
    "canvas_allow_http": Flag("`true` lets keys travel over plain `http`", default="false"),
    "canvas_proxy": SecretText(
        "HTTP proxy on the way to Canvas, `http://user:password@host:port`; the proxy variables "
        "that other programs read are not looked at",
        accept=proxy_url,
        shown=location,
    ),
    "canvas_ca_file": Location(
        "PEM file of the authorities trusted for Canvas, in place of the system's; read again when "
        "it changes"
    ),
    "canvas_calls_in_flight": Count("Most calls in flight of the whole fleet", default="100"),
    "canvas_calls_per_second": Count("Most calls a second of the whole fleet", default="500"),
    "credentials_dir": Location(
        "Folder with one folder per organization, each with the files `consumer` and `secret-key`; "
        "read again when they change"
    ),
    "consumer": SecretText(
        "Consumer of the one organization `default`, in place of the folder",
        accept=matching(CONSUMER, "must be 64 hexadecimal digits"),
    ),
    "secret_key": SecretText(
        "SecretKey of the one organization `default`, in place of the folder",
        accept=matching(SECRET_KEY, "must be a UUID (8-4-4-4-12 hexadecimal digits)"),
    ),
    "redis_url": SecretText(
        "`redis://`, `rediss://` (each `user:password@host:port/database`), `unix:///path`, "
        "`redis+sentinel://host:port,host:port/service` or `redis+cluster://host:port`",
        accept=redis_url,
        shown=location,
        required=True,
    ),
    "redis_username": Text("User name at Redis, where the URL has no login", accept=_visible),
    "redis_password": SecretText(
        "Password at Redis, where the URL has no login; any characters, as they are", accept=str
    ),
    "redis_sentinel_username": Text(
        "User name at the sentinels, where the URL has none", accept=_visible
    ),
    "redis_sentinel_password": SecretText(
        "Password at the sentinels, where the URL has none", accept=str
    ),
    "redis_prefix": Text(
        "Beginning of every key in Redis", accept=_prefix, default="canvas-token-broker"
    ),
    "callers_file": Location(
        "TOML file of the callers, or a [folder](#many-callers) with such files; required unless "
        "`BROKER_CALLER_AUTH=none`; read again when it changes"
    ),
    "caller_auth": Choice(
        "`keys`: callers prove who they are as the callers file says; `none`: nobody is asked, "
        "refused unless every bind address is loopback or a Unix socket",
        words=CallerAuth,
        default="keys",
    ),
    "kubernetes_audience": Text(
        "Audience of the service-account tokens by which Kubernetes callers prove who they are; "
        "without it none are taken",
        accept=_visible,
    ),
    "kubernetes_issuer": Text(
        "Issuer of these tokens; by default that of the broker's own token in "
        "`BROKER_KUBERNETES_TOKEN_FILE`",
        accept=_visible,
    ),
    "kubernetes_jwks_url": Text(
        "Where the cluster publishes the keys that its tokens are signed with; plain `http` only "
        "to a loopback host",
        accept=jwks_url,
        default="https://kubernetes.default.svc/openid/v1/jwks",
    ),
    "kubernetes_token_file": Location(
        "The broker's own service-account token: shown to `BROKER_KUBERNETES_TOKEN_HOST` when the "
        "keys are fetched, read again when it changes",
        default="/var/run/secrets/kubernetes.io/serviceaccount/token",
    ),
    "kubernetes_token_host": Text(
        "The only host that this token is shown to; where `BROKER_KUBERNETES_JWKS_URL` has "
        "another, the keys are fetched without it",
        accept=host_name,
        default="kubernetes.default.svc",
    ),
    "kubernetes_lifetime_max": Duration(
        "Longest whole life, in seconds from `iat` to `exp`, of a service-account token that is "
        "taken",
        default="86400",
    ),
    "kubernetes_ca_file": Location(
        "PEM file of the authorities trusted for `BROKER_KUBERNETES_JWKS_URL`; read again when it "
        "changes",
        default="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    ),
    "audit_log": Text(
        "Where the audit goes, a JSON line for each token served or refused: `stdout`, `stderr`, "
        "`none`, or the absolute path of a file that is appended to",
        accept=audit_log,
        default="stdout",
    ),
    "public_url": Text(
        "URL under which callers reach the broker, for the OAuth 2.0 metadata; by default as each "
        "request names it",
        accept=public_url,
    ),
    "tls_cert_file": Location(
        "PEM file of the certificate chain to serve TLS with; read again when it changes"
    ),
    "tls_key_file": Location("PEM file of its private key, without a passphrase"),
    "tls_client_ca_file": Location(
        "PEM file of authorities whose client certificates are taken; without it none is asked for"
    ),
    "tls_client_certs": Choice(
        "`required`: nobody connects without a client certificate, health probes included; "
        "`optional`: one that is shown must be good",
        words=ClientCerts,
        default="required",
    ),
    "hsts_max_age": Count(
        "Seconds of `Strict-Transport-Security`: only HTTPS for this host; 0: not told",
        default="0",
        least=0,
    ),
    "bind": Texts(
        "Where to listen: comma-separated `host:port`, `[IPv6 address]:port` or `unix:/path`",
        accept=bind_address,
        default="127.0.0.1:8080",
    ),
    "management_bind": Texts(
        "A [port for operators](#a-port-for-operators), written like `BROKER_BIND`: with it "
        "`/health`, `/metrics`, `/status` and `/openapi.json` answer there and nowhere else",
        accept=bind_address,
    ),
    "management_tls": Choice(
        "`same`: the port for operators is served like `BROKER_BIND`, with TLS and client "
        "certificates if that has them; `off`: plain HTTP",
        words=ManagementTls,
        default="same",
    ),
    "listener": Location(
        "Unix socket of a [listener](operations.md#a-listener), which holds the listening sockets "
        "while this process is started again; only without Unix sockets in `BROKER_BIND` and "
        "`BROKER_MANAGEMENT_BIND`"
    ),
    "trusted_proxies": Texts(
        "[Proxies](security.md#behind-a-proxy) that may name clients: networks", accept=network
    ),
    "socket_mode": Mode(
        "Mode of Unix sockets to listen on: who may connect. Their group is the broker's own",
        default="0660",
    ),
    "workers": Count("Worker processes", default="2"),
    "threads": Count("Threads of each worker; at most half of them wait", default="256", least=2),
    "reload_interval": Duration(
        "Seconds between two looks at the [files](operations.md#files)", default="2"
    ),
    "keep_warm": Duration(
        "Seconds after its last request that an organization's token is kept warm", default="3600"
    ),
    "log_level": Choice("Least severity of a log line", words=LogLevel, default="info"),
    "log_format": Choice(
        "How a log line looks: `json`, `text` for people, or `auto`: text on a terminal, else JSON",
        words=LogFormat,
        default="auto",
    ),
    "request_log": Share(
        "Share of requests with a line in the log, 0 to 1; the audit has all that ask for a token",
        default="0.01",
    ),
    "metrics_organizations": Flag(
        "`false` leaves organizations [out of the metrics](metrics.md#without-organizations)",
        default="true",
    ),
    "allow_debugging": Flag(
        "`true` lets debuggers attach, cores be dumped, and other processes of the same user read "
        "memory and environment",
        default="false",
    ),
    "tracing": Choice(
        "`otlp` sends OpenTelemetry spans as the `OTEL_*` variables say, and needs the extra "
        "`canvas-token-broker[tracing]`; the `traceparent` of a request is in its log lines anyway",
        words=Tracing,
        default="none",
    ),
    "runtime_dir": Location(
        "Folder for what the workers share while they run, metrics and sockets; emptied at start; "
        "by default a new one in memory; for one broker alone, with 192 KB for each worker and "
        "their master"
    ),
    "drain_time": Count(
        "Seconds after SIGTERM for which everybody is still served and told to connect elsewhere, "
        "while load balancers forget this replica; 0 stops at once",
        default="0",
        least=0,
    ),
    "graceful_timeout": Duration(
        "Seconds that a stopping worker has; at least the upstream deadline plus a request plus 5",
        default="25",
    ),
}
