"""What `/health` answers in the states that the page must show, as fixed data."""

from collections import Counter
from typing import Any

Body = dict[str, Any]

VERSION = "9f86d081884c7d65"
REDIS = {"status": "pass", "output": "Redis answers."}
CANVAS = {"status": "pass", "output": "Canvas answers.", "last_success_seconds_ago": 186}
FILES = [
    {"componentId": name, "status": "pass", "output": "In force.", "last_reload_seconds_ago": 4210}
    for name in ("credentials", "callers", "certificates")
]
NO_REDIS = "Redis does not answer: the token cannot be refreshed. Bring Redis back, empty or not."


def event(
    seconds_ago: int, kind: str = "refresh", seconds: float | None = 0.21, error: str | None = None
) -> Body:
    """Return one past event; with an error it is a failed one."""
    classes = {"keys_rejected": "rejected", "throttled": "definite", "connect": "definite"}
    outcome = "success" if error is None else classes.get(error, "ambiguous")
    past = {"seconds_ago": seconds_ago, "kind": kind, "seconds": seconds}
    return {**past, "outcome": outcome, "error": error}


def regular(youngest: int = 186) -> list[Body]:
    """Return an hour and a half of refreshes as they should be."""
    kinds = ["refresh", "elsewhere", "refresh", "refresh", "elsewhere", "refresh", "refresh"]
    seconds = [0.21, None, 0.19, 0.34, None, 0.22, 0.2]
    past = zip(kinds, seconds, strict=True)
    events = [event(youngest + 397 * n, kind, s) for n, (kind, s) in enumerate(past)]
    return [*events, event(youngest + 397 * 7, "authenticate", 0.48)]


def organization(name: str = "acme", **changes: Any) -> Body:
    """Return an organization's entry; well unless something is changed."""
    return {
        "componentId": name,
        "status": "pass",
        "output": "A valid token is there.",
        "state": "fresh",
        "generation": 1795409788123456,
        "expires_in": 413,
        "refresh_expires_in": 86213,
        "margin": 203,
        "lifetime": 600,
        "refresh_lifetime": 86400,
        "last_refresh_seconds_ago": 186,
        "last_error": None,
        "failures": 0,
        "latched": False,
        "in_use": True,
        "next_attempt_in": None,
        "clock_skew": 0.4,
        "credential_version": VERSION,
        "token_of_credential_version": VERSION,
        "recent": regular(),
        **changes,
    }


def counts(entries: list[Body], **changes: Any) -> Body:
    """Return what is told of all organizations, of which all are listed."""
    status = Counter(entry["status"] for entry in entries)
    state = Counter(entry["state"] for entry in entries)
    return {
        "total": len(entries),
        "in_use": sum(entry.get("in_use", False) for entry in entries),
        "status": {word: status[word] for word in ("pass", "warn", "fail")},
        "state": {word: state[word] for word in ("fresh", "stale", "critical", "empty")},
        "found": len(entries),
        "page": 1,
        "pages": 1,
        "limit": max(100, len(entries)),
        **changes,
    }


def health(organizations: list[Body], status: str = "pass", **checks: list[Body]) -> Body:
    """Return a whole body; ``checks`` replaces some of `redis`, `upstream`, `files`, `workers`."""
    workers = [
        {"componentId": str(pid), "status": "pass", "output": "Answers.", "uptime": 5404}
        for pid in (17, 18)
    ]
    return {
        "status": status,
        "version": "0.1.0",
        "serviceId": "canvas-token-broker",
        "organizations": counts(organizations),
        "checks": {
            "organization:token": organizations,
            "redis:connection": checks.get("redis", [REDIS]),
            "upstream:connection": checks.get("upstream", [CANVAS]),
            "files": checks.get("files", FILES),
            "workers": checks.get("workers", workers),
        },
    }


def globex(**changes: Any) -> Body:
    """Return a second organization, younger and well."""
    times = {"expires_in": 574, "last_refresh_seconds_ago": 26, "recent": regular(26)}
    return organization("globex", **{**times, "refresh_expires_in": 86374, **changes})


def initech(**changes: Any) -> Body:
    """Return a third one, which nobody has asked for."""
    nothing: Body = dict.fromkeys(("generation", "expires_in", "refresh_expires_in", "margin"))
    nothing |= dict.fromkeys(("lifetime", "refresh_lifetime", "last_refresh_seconds_ago"))
    told: Body = {"state": "empty", "output": "There is no token now; the next request gets one."}
    own: Body = {"in_use": False, "token_of_credential_version": None, "recent": []}
    return organization("initech", **{**nothing, **told, **own, **changes})


def fresh() -> Body:
    """All is well."""
    return health([organization(), globex(), initech()])


def stale() -> Body:
    """One token is past its margin and about to be refreshed, which is no fault."""
    old: Body = {"state": "stale", "expires_in": 197, "refresh_expires_in": 85997}
    past_events: Body = {"last_refresh_seconds_ago": 402, "recent": regular(402)}
    return health([organization(**old, **past_events), globex(), initech()])


def degraded() -> Body:
    """Canvas fails, and tokens live on."""
    failed = [
        event(9, "authenticate", 5.0, "timeout"),
        event(41, "authenticate", 0.31, "status_502"),
        event(58, "refresh", 5.0, "timeout"),
    ]
    output = "The last refresh failed (timeout); it is tried again. See whether Canvas works."
    bad = organization(
        status="warn",
        output=output,
        state="stale",
        expires_in=131,
        refresh_expires_in=85931,
        last_refresh_seconds_ago=468,
        last_error="timeout",
        failures=3,
        next_attempt_in=14,
        recent=[*failed, *regular(468)],
    )
    canvas = {"status": "warn", "output": "Canvas fails.", "last_success_seconds_ago": 26}
    return health([bad, globex(), initech()], "warn", upstream=[canvas])


def latched() -> Body:
    """Canvas refuses one organization's keys, and its token has died."""
    output = (
        "Canvas refuses the keys and is asked again in 10 min: replace this organization's "
        "credentials, or, if they are right, write their files anew (keys from the environment: "
        "restart) to have them tried at once."
    )
    bad = organization(
        status="fail",
        output=output,
        state="empty",
        expires_in=-75,
        refresh_expires_in=85725,
        last_refresh_seconds_ago=675,
        last_error="keys_rejected",
        failures=2,
        latched=True,
        next_attempt_in=623,
        credential_version="4a44dc15364204a8",
        recent=[
            event(277, "authenticate", 0.17, "keys_rejected"),
            event(278, "refresh", 0.2, "keys_rejected"),
            *regular(675),
        ],
    )
    return health([globex(), bad, initech()], "warn")


def redis_down() -> Body:
    """Redis is gone: tokens come from memory, and who has none gets none."""
    gone = {"status": "warn", "output": NO_REDIS}
    return health(
        [
            organization(**gone),
            globex(**gone, state="stale", expires_in=152),
            initech(status="fail", output=NO_REDIS, in_use=True),
        ],
        "warn",
        redis=[{"status": "fail", "output": "Redis does not answer; tokens come from memory."}],
    )


def many(number: int) -> Body:
    """As many organizations, in use all of them, one in fifty with a fault."""
    bad = {"status": "warn", "failures": 1, "last_error": "connect", "next_attempt_in": 9}
    bad["output"] = "The last refresh failed (connect); it is tried again."
    entries = [
        organization(f"org-{n:04}", **(bad if n % 50 == 7 else {}), expires_in=210 + n % 380)
        for n in range(number)
    ]
    return health(entries, "warn")


def pages(page: int = 1) -> Body:
    """One of three pages of a hundred, whose first has the only fault."""
    entries = [organization(f"org-{n:04}") for n in range(100 * page - 100, 100 * page)]
    if page == 1:
        entries[0] |= {"status": "warn", "output": "The last refresh failed (connect)."}
    status = {"pass": 299, "warn": 1, "fail": 0}
    body = health(entries, "warn")
    found = {"total": 300, "found": 300, "page": page, "pages": 3, "status": status}
    return body | {"organizations": counts(entries, **found)}


SCENES = {
    "fresh": fresh,
    "stale": stale,
    "degraded": degraded,
    "latched": latched,
    "redis-down": redis_down,
}
