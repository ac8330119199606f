"""OpenTelemetry spans, for who has installed the extra and asked for them.

A span tells an organization, what was done and how it ended: no attribute holds a URL, a query or
a secret. Where spans are sent is said by OpenTelemetry's own ``OTEL_*`` variables.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker import __version__
from broker.observer import CallFailed, CallSucceeded, Event, Waited

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE = "canvas-token-broker"
FLUSH = 1.0
"""Seconds that a stopping worker gives to the last spans."""
_NANOSECONDS = 1_000_000_000


class MissingExtraError(Exception):
    """OpenTelemetry is not installed."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A span that is not ended, and what gives the thread its former context back."""

    span: Any
    token: Any


class Spans:
    """Makes spans; also a :class:`broker.observer.Observer` that makes one for each upstream call.

    Make it after the fork: it has a thread that sends them. Raises :class:`MissingExtraError`.
    """

    def __init__(self, exporter: "SpanExporter | None" = None) -> None:
        try:
            from opentelemetry import context, trace  # noqa: PLC0415  # an optional extra
            from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  # as above
                TraceContextTextMapPropagator,
            )

            self._provider = _provider(exporter)
        except ImportError:
            raise MissingExtraError from None
        self._context, self._trace = context, trace
        self._propagator = TraceContextTextMapPropagator()
        self._tracer = self._provider.get_tracer(SERVICE, __version__)

    def begin(self, traceparent: str) -> Begun:
        """Begin the span of a request, as a child of its caller's if that is known."""
        parent = self._propagator.extract({"traceparent": traceparent})
        span = self._tracer.start_span("request", parent, kind=self._trace.SpanKind.SERVER)
        return Begun(span, self._context.attach(self._trace.set_span_in_context(span)))

    def end(self, begun: Begun, name: str, attributes: Mapping[str, str | int]) -> None:
        """End it under its name, with what is known by now."""
        begun.span.update_name(name)
        begun.span.set_attributes(attributes)
        begun.span.end()
        self._context.detach(begun.token)

    def flush(self) -> None:
        """Send what was not sent yet, for at most :data:`FLUSH`; what takes longer is lost.

        OpenTelemetry takes a timeout and does not keep to it: a lookup alone may last 20 s.
        """
        flushing = threading.Thread(
            target=self._provider.force_flush, name="spans-flush", daemon=True
        )
        flushing.start()
        flushing.join(FLUSH)

    def handle(self, event: Event) -> None:
        """Make a span of an upstream call, and of a request's wait; the rest has none."""
        match event:
            case CallSucceeded(organization, kind, seconds):
                self._past(f"canvas {kind}", seconds, {"broker.organization": organization})
            case CallFailed(organization, kind, error, seconds):
                attributes = {"broker.organization": organization, "error.type": error.kind}
                self._past(f"canvas {kind}", seconds, attributes, failed=True)
            case Waited(organization, seconds):
                self._past("wait for refresh", seconds, {"broker.organization": organization})

    def _past(
        self, name: str, seconds: float, attributes: Mapping[str, str], *, failed: bool = False
    ) -> None:
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            kind=self._trace.SpanKind.CLIENT,
            attributes=dict(attributes),
            start_time=ended - int(seconds * _NANOSECONDS),
        )
        if failed:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(ended)


def _provider(exporter: "SpanExporter | None") -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above

    resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return provider
