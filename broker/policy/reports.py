"""A caller says that Canvas refused a token: told to Redis once, for the whole fleet."""

from collections.abc import Callable

from broker.errors import StoreUnavailableError
from broker.observer import TokenReported
from broker.policy.lease import Tools
from broker.policy.look import note_silence
from broker.policy.organization import Organization
from broker.ports import ReportStatus


def report(
    organization: Organization,
    generation: int,
    tools: Tools,
    look_now: Callable[[Organization], None],
) -> float | None:
    """Report a refused generation; return None if another is on its way, else when to ask."""
    if organization.refused_generation == generation:
        return None
    try:
        status = organization.binding.store.report(generation)
    except StoreUnavailableError as error:
        note_silence(organization, error, tools)
        tools.observer.handle(TokenReported(organization.name, ReportStatus.FAILED))
        return 2.0
    tools.observer.handle(TokenReported(organization.name, status))
    match status:
        case ReportStatus.YOUNG:
            return tools.limits.report_min_age
        case ReportStatus.THROTTLED:
            return tools.limits.report_interval
        case ReportStatus.ACCEPTED | ReportStatus.KNOWN:
            organization.note_refusal(generation, tools.clock.monotonic())
        case ReportStatus.MOVED:
            look_now(organization)
    return None
