"""The application factory: the only place that joins all parts."""

from flask import Flask

from broker.audit.log import AuditLog
from broker.audit.sinks import sink
from broker.clock import SystemClock
from broker.kubernetes.composition import service_accounts
from broker.kubernetes.service_accounts import ServiceAccounts
from broker.policy.broker import Broker
from broker.policy.lease import Tools
from broker.policy.refresher import Refresher
from broker.ports import OpenRecordStore, Upstream
from broker.settings import Inputs, Settings
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.redis_store import redis_stores
from broker.store.scripts import Scripts
from broker.threads import ThreadRuntime
from broker.upstream.client import CanvasClient
from broker.upstream.retry import LeaseRetry
from broker.web import errors, request_id
from broker.web.authentication import Authentication, CallersAuthentication, NobodyIsAsked
from broker.web.desk import Desk
from broker.web.health import Report, health_views
from broker.web.malformed import LONGEST_BODY
from broker.web.metadata import metadata_view
from broker.web.observing import LogObserver
from broker.web.openapi import openapi_view
from broker.web.service import Background, Service
from broker.web.token_endpoint import token_endpoint
from broker.web.tokens import keep_nowhere, token_views

SERVICE = "service"
"""Where ``app.extensions`` keeps the :class:`Service`, to be started after the fork."""


def create_app(settings: Settings, inputs: Inputs) -> Flask:
    """Return the application of one worker; nothing runs before its service is started."""
    clock = SystemClock()
    accounts = _service_accounts(settings, inputs, clock)
    audit = AuditLog(sink(settings.audit_log), clock)
    broker, background = _broker(settings, clock)
    service = Service(broker, background, audit, accounts, inputs, settings)
    desk = Desk(broker, _authentication(inputs, accounts), audit, clock)
    app = edge(desk, service.report, settings.public_url)
    app.extensions[SERVICE] = service
    return app


def edge(desk: Desk, report: Report, public_url: str | None = None) -> Flask:
    """Return the HTTP side alone: views, the table of errors and request ids."""
    app = Flask("broker", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # Flask's default provider has it
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    app.url_map.merge_slashes = False  # a redirect is no part of the contract
    request_id.install(app)
    errors.install(app)
    app.register_blueprint(token_views(desk))
    app.register_blueprint(token_endpoint(desk))
    app.register_blueprint(metadata_view(desk.authentication, public_url))
    app.register_blueprint(health_views(report))
    app.register_blueprint(openapi_view())
    app.after_request(keep_nowhere)
    return app


def _broker(settings: Settings, clock: SystemClock) -> tuple[Broker, Background]:
    limits, runtime, observer = settings.limits, ThreadRuntime(), LogObserver()
    upstream, retry = _upstream(settings, clock), LeaseRetry(limits, clock)
    broker = Broker(
        Tools(limits, clock, runtime, upstream, retry, observer),
        _store(settings, clock),
        keep_warm=settings.keep_warm,
        waiters=max(1, settings.threads // 2),
    )
    return broker, Background(Refresher(broker, clock, observer), runtime)


def _upstream(settings: Settings, clock: SystemClock) -> Upstream:
    return CanvasClient(
        settings.canvas_url,
        settings.limits,
        clock,
        proxy=settings.canvas_proxy.reveal() if settings.canvas_proxy else None,
        ca_file=settings.canvas_ca_file,
    )


def _store(settings: Settings, clock: SystemClock) -> OpenRecordStore:
    client = connect(settings.redis_url.reveal(), settings.limits)
    scripts = Scripts(client, Breaker(clock, settings.limits.revalidate))
    return redis_stores(scripts, settings.limits, settings.redis_prefix, settings.canvas_url)


def _service_accounts(
    settings: Settings, inputs: Inputs, clock: SystemClock
) -> ServiceAccounts | None:
    if settings.kubernetes_audience is None or inputs.issuer is None:
        return None
    jwks_url = settings.kubernetes_jwks_url
    return service_accounts(
        audience=settings.kubernetes_audience,
        issuer=inputs.issuer,
        jwks_url=jwks_url,
        token_file=settings.kubernetes_token_file,
        ca_file=settings.kubernetes_ca_file if jwks_url.startswith("https:") else None,
        clock=clock,
    )


def _authentication(inputs: Inputs, accounts: ServiceAccounts | None) -> Authentication:
    callers = inputs.callers
    if callers is None:
        return NobodyIsAsked()
    return CallersAuthentication(lambda: callers.current, accounts)
