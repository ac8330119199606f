"""What settings may not say together. Each check is silent about settings that are bad alone."""

from collections.abc import Callable, Iterator

from broker.files.authorities import watch_authorities
from broker.files.callers import read_callers
from broker.files.credentials import read_credentials
from broker.settings import edge_checks
from broker.settings.bind import is_loopback
from broker.settings.draft import Draft
from broker.settings.host import host
from broker.settings.redis_login import redis_files, redis_login
from broker.settings.urls import parse_url
from broker.settings.values import CallerAuth

_STOP_RESERVE = 5


def _canvas_in_the_clear(draft: Draft) -> Iterator[str]:
    if not draft.knows("canvas_url", "canvas_allow_http") or draft["canvas_allow_http"]:
        return
    url = parse_url(draft["canvas_url"])
    if url.scheme == "http" and not url.addresses[0].loopback:
        yield (
            "BROKER_CANVAS_URL is plain http to another machine and must be https; "
            "BROKER_CANVAS_ALLOW_HTTP=true lifts this"
        )


def _canvas_authorities(draft: Draft) -> Iterator[str]:
    if not draft.knows("canvas_ca_file") or draft["canvas_ca_file"] is None:
        return
    yield from watch_authorities("BROKER_CANVAS_CA_FILE", draft["canvas_ca_file"]).problems


def _credentials(draft: Draft) -> Iterator[str]:
    pair = ["consumer", "secret_key"]
    given = [field for field in pair if draft.is_set(field)]
    if draft.is_set("credentials_dir") and given:
        yield (
            "BROKER_CREDENTIALS_DIR and BROKER_CONSUMER or BROKER_SECRET_KEY are both set; "
            "set the folder, or the two keys"
        )
    elif len(given) == 1:
        missing = "BROKER_SECRET_KEY" if given == ["consumer"] else "BROKER_CONSUMER"
        yield f"{missing} is required beside the other key"
    elif not (given or draft.is_set("credentials_dir")):
        yield "BROKER_CREDENTIALS_DIR, or BROKER_CONSUMER and BROKER_SECRET_KEY, is required"


def _callers(draft: Draft) -> Iterator[str]:
    if not draft.knows("caller_auth"):
        return
    if draft["caller_auth"] is CallerAuth.KEYS:
        if not draft.is_set("callers_file"):
            yield "BROKER_CALLERS_FILE is required unless BROKER_CALLER_AUTH=none"
        return
    if draft.is_set("callers_file"):
        yield "BROKER_CALLERS_FILE is set and BROKER_CALLER_AUTH=none ignores it; set one of them"
    if draft.knows("bind") and not all(map(is_loopback, draft["bind"])):
        yield (
            "BROKER_CALLER_AUTH is none and must be keys unless every address of BROKER_BIND is "
            "loopback or a unix socket"
        )


def _time_to_stop(draft: Draft) -> Iterator[str]:
    if not draft.knows("graceful_timeout", "upstream_attempts", "upstream_timeout"):
        return
    limits = draft.limits()
    least = limits.deadline + limits.request + _STOP_RESERVE
    if draft["graceful_timeout"] < least:
        yield (
            f"BROKER_GRACEFUL_TIMEOUT is {draft['graceful_timeout']:g} and must be at least "
            f"{least:g}: the upstream deadline (BROKER_UPSTREAM_ATTEMPTS x "
            f"BROKER_UPSTREAM_TIMEOUT = {limits.deadline:g}), a request ({limits.request:g}) and "
            f"{_STOP_RESERVE}"
        )


def _limits(draft: Draft) -> Iterator[str]:
    yield from draft.limit_problems()


def _credentials_folder(draft: Draft) -> Iterator[str]:
    if draft.knows("credentials_dir") and draft["credentials_dir"]:
        yield from read_credentials(draft["credentials_dir"]).problems


def _takes_tokens(draft: Draft) -> bool:
    return draft.is_set("kubernetes_audience")


def _callers_file(draft: Draft) -> Iterator[str]:
    if draft.knows("callers_file") and draft["callers_file"]:
        yield from read_callers(draft["callers_file"], service_accounts=_takes_tokens(draft))[1]


_CHECKS: tuple[Callable[[Draft], Iterator[str]], ...] = (
    _canvas_in_the_clear,
    _canvas_authorities,
    _credentials,
    _callers,
    _time_to_stop,
    _limits,
    _credentials_folder,
    _callers_file,
    redis_login,
    redis_files,
    edge_checks.tls,
    edge_checks.management,
    edge_checks.listener,
    edge_checks.hsts,
    edge_checks.kubernetes,
    edge_checks.audit,
    edge_checks.tracing,
    host,
)


def contradictions(draft: Draft) -> Iterator[str]:
    """Yield a sentence for each contradiction, and for each problem in the files named."""
    for check in _CHECKS:
        yield from check(draft)
