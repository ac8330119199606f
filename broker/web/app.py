"""The application factory: the only place that joins all parts."""

from flask import Flask

from broker.clock import SystemClock
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
from broker.web.authentication import Authenticate, by_key, nobody_is_asked
from broker.web.health import Report, health_views
from broker.web.observing import LogObserver
from broker.web.service import Service
from broker.web.tokens import token_views

SERVICE = "service"
"""Where ``app.extensions`` keeps the :class:`Service`, to be started after the fork."""


def create_app(settings: Settings, inputs: Inputs) -> Flask:
    """Return the application of one worker; nothing runs before its service is started."""
    service = _service(settings, inputs)
    app = edge(service.broker, service.report, _authenticate(inputs))
    app.extensions[SERVICE] = service
    return app


def edge(broker: Broker, report: Report, authenticate: Authenticate) -> Flask:
    """Return the HTTP side alone: views, the table of errors and request ids."""
    app = Flask("broker", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # Flask's default provider has it
    app.url_map.merge_slashes = False  # a redirect is no part of the contract
    request_id.install(app)
    errors.install(app)
    app.register_blueprint(token_views(broker, authenticate))
    app.register_blueprint(health_views(report))
    return app


def _service(settings: Settings, inputs: Inputs) -> Service:
    limits, clock, runtime, observer = (
        settings.limits,
        SystemClock(),
        ThreadRuntime(),
        LogObserver(),
    )
    upstream, retry = _upstream(settings, clock), LeaseRetry(limits, clock)
    broker = Broker(
        Tools(limits, clock, runtime, upstream, retry, observer),
        _store(settings, clock),
        keep_warm=settings.keep_warm,
        waiters=max(1, settings.threads // 2),
    )
    refresher = Refresher(broker, clock, observer)
    return Service(broker, refresher, runtime, inputs, settings)


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


def _authenticate(inputs: Inputs) -> Authenticate:
    callers = inputs.callers
    if callers is None:
        return nobody_is_asked
    return by_key(lambda: callers.current)
