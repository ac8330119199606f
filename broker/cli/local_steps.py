"""The steps of ``broker check`` that need nobody else: settings and the files they name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from broker.callers import Callers
from broker.cli.steps import Finding, Step, fail, ok, warn
from broker.credentials import Credentials
from broker.files.callers import read_callers
from broker.settings import CallerAuth, Settings, is_loopback
from broker.settings.checks import contradictions
from broker.settings.inputs import credentials
from broker.settings.reading import read
from broker.web.endpoints import PORTS, Port

SETTINGS = "settings"
CREDENTIALS = "credentials"
LIMIT = 10.0
"""Seconds for a step that reads files: a mounted folder may hang."""
_OF_FILES = {
    CREDENTIALS: re.compile("BROKER_(CREDENTIALS_DIR|CONSUMER|SECRET_KEY)"),
    "callers": re.compile("BROKER_CALLERS_FILE"),
    "TLS": re.compile("BROKER_TLS_"),
    "management port": re.compile("BROKER_MANAGEMENT_"),
    "Kubernetes": re.compile("BROKER_KUBERNETES_"),
    "audit": re.compile("BROKER_AUDIT_LOG"),
}
_SOME = 8


@dataclass(frozen=True, slots=True)
class Examined:
    """What the environment says: ``settings`` unless one cannot be read; problems by step."""

    settings: Settings | None
    problems: Mapping[str, tuple[str, ...]]


def examine(environ: Mapping[str, str]) -> Examined:
    """Read the settings as ``broker serve`` does, and go on where that would stop."""
    given, bad = read(environ)
    problems: dict[str, list[str]] = {SETTINGS: bad}
    for problem in contradictions(given):
        problems.setdefault(_step_of(problem), []).append(problem)
    settings = None if given.invalid else given.complete()
    return Examined(settings, {step: tuple(found) for step, found in problems.items()})


def _step_of(problem: str) -> str:
    fitting = (step for step, pattern in _OF_FILES.items() if pattern.match(problem))
    return next(fitting, SETTINGS)


def local_steps(examined: Examined) -> Iterator[Step]:
    """Yield the steps; those of what is not set are left out, those without settings skipped."""
    yield _step(examined, SETTINGS, partial(ok, "All settings can be used together."))
    settings = examined.settings
    if settings is None:
        for name in _OF_FILES:
            if examined.problems.get(name) or name in {CREDENTIALS, "callers"}:
                yield _step(examined, name, _never, SETTINGS)
        return
    yield _step(examined, CREDENTIALS, partial(_credentials, settings))
    sound = not examined.problems.get(CREDENTIALS)
    yield _step(examined, "callers", partial(_callers, settings, sound=sound))
    if settings.tls_cert_file or examined.problems.get("TLS"):
        yield _step(examined, "TLS", partial(ok, "Certificate and key can serve TLS."))
    if settings.management_bind or not all(map(is_loopback, settings.bind)):
        yield _step(examined, "management port", partial(_management, settings))
    if examined.problems.get("Kubernetes"):
        yield _step(examined, "Kubernetes", _never)
    yield _step(examined, "audit", partial(_audit, settings))


def _step(examined: Examined, name: str, work: Callable[[], Finding], *needs: str) -> Step:
    problems = examined.problems.get(name)
    if problems:
        return Step(name, partial(fail, *map(_sentence, problems)), LIMIT)
    return Step(name, work, LIMIT, needs)


def _sentence(problem: str) -> str:
    return problem if problem.endswith("?") else f"{problem}."


def _never() -> Finding:
    raise AssertionError


def _credentials(settings: Settings) -> Finding:
    return ok(f"{_counted('organization', list(credentials(settings).current))}.")


def _callers(settings: Settings, *, sound: bool) -> Finding:
    """Look at the callers; with ``sound`` credentials also at the organizations they name."""
    if settings.callers_file is None or settings.caller_auth is CallerAuth.NONE:
        return warn(
            "BROKER_CALLER_AUTH=none: whoever reaches the broker gets every token. For "
            "development only."
        )
    callers, _ = read_callers(settings.callers_file)
    unknown = tuple(_unknown(callers, credentials(settings).current)) if sound else ()
    if unknown:
        return warn(*unknown)
    return ok(f"{_counted('caller', [caller.name for caller in callers.callers])}.")


def _unknown(callers: Callers, organizations: Mapping[str, Credentials]) -> Iterator[str]:
    for caller in callers.callers:
        if isinstance(caller.organizations, frozenset):
            for name in sorted(caller.organizations - organizations.keys()):
                yield (
                    f"Caller {caller.name} may use organization {name}, which has no credentials: "
                    "correct the name in BROKER_CALLERS_FILE, or add the credentials."
                )


def _management(settings: Settings) -> Finding:
    if settings.management_bind is not None:
        only = [path for path, ports in PORTS.items() if ports == {Port.MANAGEMENT}]
        return ok(f"{', '.join(settings.management_bind)} alone answers {', '.join(only)}.")
    return warn(
        "BROKER_MANAGEMENT_BIND is not set: whoever reaches BROKER_BIND reads the names of all "
        "organizations in /health and /metrics."
    )


def _audit(settings: Settings) -> Finding:
    if settings.audit_log == "none":
        return ok("Switched off by BROKER_AUDIT_LOG=none.")
    return ok(f"Goes to {settings.audit_log}, which can be written to.")


def _counted(what: str, names: list[str]) -> str:
    """Return how many there are, and the first of them by name."""
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    shown = ", ".join(names[:_SOME]) + more
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}: {shown}"
