"""Whether servers take writes, by one write on each."""

from collections.abc import Callable, Iterable

from broker.errors import StoreUnavailableError
from broker.store_faults import Reason


def check_each(checks: Iterable[tuple[str, Callable[[], object]]]) -> list[Reason | None]:
    """Return for each why its server refuses writes; ``checks`` are the servers and how to try."""
    found: dict[str, Reason | None] = {}
    servers = []
    for server, check in checks:
        servers.append(server)
        if server not in found:
            found[server] = _refusal(check)
    return [found[server] for server in servers]


def _refusal(check: Callable[[], object]) -> Reason | None:
    try:
        check()
    except StoreUnavailableError as error:
        return error.reason
    return None
