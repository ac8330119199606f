"""The settings that are fields of ``Settings``, each with its kind, default and meaning."""

import re
from typing import Any

from broker.credentials import CONSUMER, SECRET_KEY
from broker.settings.bind import bind_address
from broker.settings.fields import (
    Choice,
    Count,
    Duration,
    Flag,
    Location,
    SecretText,
    Setting,
    Text,
    Texts,
    matching,
)
from broker.settings.urls import canvas_url, location, proxy_url, redis_url
from broker.settings.values import CallerAuth, LogLevel

DECLARED: dict[str, Setting[Any]] = {
    "canvas_url": Text(
        "Base URL of Canvas; plain `http` only to a loopback host, or with "
        "`BROKER_CANVAS_ALLOW_HTTP=true`",
        accept=canvas_url,
        default="https://canvas.connectmyapps.com/api",
    ),
    "canvas_allow_http": Flag(
        "`true` lets the keys travel to Canvas over plain `http`", default="false"
    ),
    "canvas_proxy": SecretText(
        "HTTP proxy on the way to Canvas, `http://user:password@host:port`; the proxy variables "
        "that other programs read are not looked at",
        accept=proxy_url,
        shown=location,
    ),
    "canvas_ca_file": Location(
        "PEM file of the authorities trusted for Canvas, in place of the system's"
    ),
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
    "redis_prefix": Text(
        "Beginning of every key in Redis",
        accept=matching(
            re.compile(r"[A-Za-z0-9:_.-]{1,64}"),
            "must be 1 to 64 letters, digits, ':', '_', '.' and '-'",
        ),
        default="canvas-token-broker",
    ),
    "callers_file": Location(
        "TOML file of the callers; required unless `BROKER_CALLER_AUTH=none`; read again when it "
        "changes"
    ),
    "caller_auth": Choice(
        "`keys`: callers prove who they are as the callers file says; `none`: nobody is asked, "
        "refused unless every bind address is loopback",
        words=CallerAuth,
        default="keys",
    ),
    "bind": Texts(
        "Where to listen: comma-separated `host:port`, `[IPv6 address]:port` or `unix:/path`",
        accept=bind_address,
        default="127.0.0.1:8080",
    ),
    "workers": Count("Worker processes", default="2"),
    "threads": Count("Threads of each worker; at most half of them wait", default="256", least=2),
    "reload_interval": Duration(
        "Seconds between two looks at the credentials folder and the callers file", default="2"
    ),
    "keep_warm": Duration(
        "Seconds after its last request for which an organization's token is kept warm",
        default="3600",
    ),
    "log_level": Choice("Least severity of a log line", words=LogLevel, default="info"),
    "graceful_timeout": Duration(
        "Seconds that a stopping worker has; at least the upstream deadline plus a request plus 5",
        default="25",
    ),
}
