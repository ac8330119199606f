"""The application factory: the only place that joins all parts."""

from collections.abc import Callable

from flask import Flask

from broker.audit.log import AuditLog
from broker.clock import SystemClock
from broker.files.tls import contexts
from broker.files.watch import Watched
from broker.fleet_calls import CallLimits
from broker.kubernetes import Keys, KeySource, ServiceAccounts
from broker.metrics.meters import Meters
from broker.output.sinks import sink
from broker.pod.state import PodState
from broker.policy.broker import Broker
from broker.policy.calls import Calls
from broker.policy.lease import Tools
from broker.policy.refresher import Refresher
from broker.ports import Upstream
from broker.secret import Secret
from broker.settings import Inputs, ManagementTls, Settings, Tracing, redis_address
from broker.store.bounded import BoundedClient
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.feed import Subscription
from broker.store.fleet_calls import RedisFleetCalls
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.threads import ThreadRuntime, redis_users
from broker.tracing import Spans
from broker.upstream.client import CanvasClient
from broker.upstream.retry import LeaseRetry
from broker.web import errors, request_id, tracing
from broker.web.answer import STANDING, Standing, standing
from broker.web.at_once import AT_ONCE, AtOnce
from broker.web.authentication import Authentication, CallersAuthentication, NobodyIsAsked
from broker.web.desk import TOKEN_PATH, Desk
from broker.web.edge import EdgeApp
from broker.web.endpoints import EVERY, Port
from broker.web.health import health_views
from broker.web.logs import standard_output
from broker.web.malformed import MALFORMED, MalformedRequests
from broker.web.metadata import metadata_view
from broker.web.metrics import PodView, metrics_view
from broker.web.observing import LogObserver, MeteringObserver, Observers
from broker.web.openapi import openapi_view
from broker.web.runtime import RuntimeFolder
from broker.web.service import Parts, Service
from broker.web.status import status_view
from broker.web.store_log import StoreLog
from broker.web.summary import RequestLog
from broker.web.tokens import token_views

SERVICE = "service"
"""Where ``app.extensions`` keeps the :class:`Service`, to be started after the fork."""
MANAGEMENT = "management"
"""Where ``app.extensions`` keeps the application of the management port, if there is one."""

_WORKER_DIGITS = 12
"""Of a random name: enough that no two workers of a fleet have the same."""


def create_app(
    settings: Settings,
    inputs: Inputs,
    folder: RuntimeFolder | None = None,
    state: PodState | None = None,
) -> Flask:
    """Return the application of one worker; nothing runs before its service is started.

    With a management port it is the callers', and has that port's in its extensions.
    ``folder`` and ``state`` are where it meets the other workers; without, it knows only itself.
    """
    parts = _parts(settings, inputs, folder, state or PodState(1))
    service = Service(parts, inputs, settings)
    authentication = _authentication(inputs, parts.accounts)
    desk = Desk(parts.broker, authentication, parts.audit, parts.meters, parts.clock)
    requests = RequestLog(parts.clock, settings.request_log)

    def make(ports: frozenset[Port], headers: Standing) -> Flask:
        bare = EdgeApp(headers, ports)
        app = edge(desk, service, parts.meters, settings.public_url, bare)
        requests.install(app)
        if parts.spans is not None:
            tracing.install(app, parts.spans)
        return app

    headers = standing(settings.hsts_max_age)
    if settings.management_bind is None:
        app = make(EVERY, headers)
    else:
        app = make(frozenset({Port.CALLERS}), headers)
        plain = settings.management_tls is ManagementTls.OFF
        operators = make(frozenset({Port.MANAGEMENT}), STANDING if plain else headers)
        app.extensions[MANAGEMENT] = operators
    if parts.spans is None:  # these are made by the views
        app.extensions[AT_ONCE] = AtOnce(desk, requests, headers)
    app.extensions[SERVICE] = service
    return app


def edge(
    desk: Desk,
    pod: PodView,
    meters: Meters,
    public_url: str | None = None,
    app: EdgeApp | None = None,
) -> Flask:
    """Return the HTTP side alone: views, the table of errors and request ids.

    ``app`` is bare, and says what every answer has and which paths there are; all by default.
    """
    app = app or EdgeApp()
    malformed = MalformedRequests(desk if app.has(TOKEN_PATH) else None, app.headers)
    app.extensions[MALFORMED] = malformed
    request_id.install(app)
    errors.install(app)
    app.register_blueprint(token_views(desk))
    app.register_blueprint(metadata_view(desk.authentication, public_url))
    app.register_blueprint(health_views(pod))
    app.register_blueprint(metrics_view(meters, pod.gather))
    app.register_blueprint(status_view())
    app.register_blueprint(openapi_view())
    return app


def _parts(
    settings: Settings, inputs: Inputs, folder: RuntimeFolder | None, state: PodState
) -> Parts:
    clock, runtime = SystemClock(), ThreadRuntime()
    meters = Meters(strict=False, organizations=settings.metrics_organizations)
    standard_output.count_losses(meters.log_lost)
    spans = Spans() if settings.tracing is Tracing.OTLP else None
    observers = LogObserver(clock), StoreLog(clock), MeteringObserver(meters)
    observer = Observers(*observers, *([spans] if spans else []))
    limits = settings.limits
    redis = _redis(settings, inputs)
    scripts = _scripts(redis, settings, clock)
    upstream, retry = _upstream(settings, inputs, clock), LeaseRetry(limits, clock)
    allowed = CallLimits(settings.canvas_calls_in_flight, settings.canvas_calls_per_second)
    fleet = RedisFleetCalls(scripts, allowed, limits, settings.redis_prefix, settings.canvas_url)
    calls = Calls(fleet, clock, runtime.attempt_id()[:_WORKER_DIGITS], allowed)
    broker = Broker(
        Tools(limits, clock, runtime, upstream, retry, observer, calls),
        RedisRecordStores(scripts, limits, settings.redis_prefix, settings.canvas_url),
        keep_warm=settings.keep_warm,
        waiters=max(1, settings.threads // 2),
    )
    return Parts(
        broker=broker,
        subscription=Subscription(redis, settings.redis_prefix, broker.changes),
        refresher=Refresher(broker, clock, observer),
        runtime=runtime,
        audit=AuditLog(sink(settings.audit_log), clock, on_loss=meters.audit_lost),
        meters=meters,
        clock=clock,
        redis=redis,
        accounts=_service_accounts(settings, inputs, clock),
        spans=spans,
        folder=folder,
        state=state,
    )


def _upstream(settings: Settings, inputs: Inputs, clock: SystemClock) -> Upstream:
    return CanvasClient(
        settings.canvas_url,
        settings.limits,
        clock,
        proxy=_revealed(inputs.canvas_proxy, settings.canvas_proxy),
        tls=contexts(inputs.canvas_ca),
    )


def _redis(settings: Settings, inputs: Inputs) -> BoundedClient:
    tls, users = contexts(inputs.redis_tls), redis_users(settings.threads)
    url, current = redis_address(settings), _revealed(inputs.redis_login)
    return connect(url, settings.limits, tls, users=users, current=current)


def _revealed(
    watched: Watched[Secret] | None, fixed: Secret | None = None
) -> Callable[[], str] | None:
    """Return what gives the secret in use at each call; None without any."""
    if watched is None:
        return fixed.reveal if fixed else None

    def reveal() -> str:
        return watched.current.reveal()

    return reveal


def _scripts(client: BoundedClient, settings: Settings, clock: SystemClock) -> Scripts:
    limits = settings.limits
    breaker = Breaker(clock, limits.revalidate)
    return Scripts(client, breaker, together=client.together, seconds=limits.redis_worst)


def _service_accounts(
    settings: Settings, inputs: Inputs, clock: SystemClock
) -> ServiceAccounts | None:
    audience, issuer, token = settings.kubernetes_audience, inputs.issuer, inputs.kubernetes_token
    if audience is None or issuer is None or token is None:
        return None
    source = KeySource(
        settings.kubernetes_jwks_url,
        token=lambda: token.current,
        token_host=settings.kubernetes_token_host,
        tls=contexts(inputs.kubernetes_ca),
    )
    keys = Keys(source.fetch, clock)
    return ServiceAccounts(audience, issuer, keys, clock, settings.kubernetes_lifetime_max)


def _authentication(inputs: Inputs, accounts: ServiceAccounts | None) -> Authentication:
    callers = inputs.callers
    if callers is None:
        return NobodyIsAsked()
    return CallersAuthentication(lambda: callers.current, accounts)
