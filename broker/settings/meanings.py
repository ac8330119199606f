"""What each settable limit means, in the words of its field in ``broker.limits``."""

from collections.abc import Mapping
from types import MappingProxyType

LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "upstream_connect_timeout": "Longest wait for a connection to Canvas",
        "upstream_timeout": (
            "Longest whole call to Canvas: name resolution to the last byte of the body"
        ),
        "upstream_attempts": "Calls to Canvas that one lease allows",
        "upstream_body_limit": "Longest body read from Canvas, in bytes",
        "lease": "Life of the lease under which one process may talk to Canvas",
        "lease_reserve": "Part of the lease that must be left before anything is sent",
        "wait": "Longest that a request waits for a refresh in flight",
        "margin_min": "Smallest margin: a token is refreshed at least this long before it expires",
        "margin_max": "Largest margin",
        "floor": "At this much remaining life, a request waits for the refresh in flight",
        "revalidate": "Longest time that the in-process copy is served without a look at Redis",
        "backoff_min": "Shortest pause after a failed refresh",
        "backoff_valid": "Longest pause after a failed refresh while a token is valid",
        "backoff_empty": "Longest pause after a failed refresh while none is valid",
        "retry_after_max": "Longest pause taken over from Canvas's `Retry-After`",
        "latch": "Longest time between probes of keys that Canvas refuses; the first come sooner",
        "report_min_age": "Youngest token whose rejection is believed",
        "report_interval": "Shortest time between two refreshes caused by reported rejections",
        "redis_connect_timeout": "Time for a connection to Redis (name, TCP, TLS, login, "
        "database), in each of two tries",
        "redis_timeout": "Longest wait for the answer to one command of Redis",
    }
)
