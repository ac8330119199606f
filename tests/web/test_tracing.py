"""Spans for who asked for them; nothing in them that was sent, and nothing secret."""

import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from broker import tracing as broker_tracing
from broker.errors import AmbiguousError
from broker.observer import CallFailed, CallSucceeded, Waited
from broker.tokens import Kind
from broker.tracing import MissingExtraError, Spans
from broker.web import tracing
from tests.web.rig import KEY, Rig

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Return what keeps the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Spans:
    """Return what makes them."""
    return Spans(exporter)


def finished(spans: Spans, exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """Return the spans that have ended."""
    spans.flush()
    return list(exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span tells."""
    return dict(span.attributes or {})


def test_a_request_has_a_span_below_its_callers(
    rig: Rig, spans: Spans, exporter: InMemorySpanExporter
) -> None:
    """Named by what the service knows; nothing of what was sent is in it."""
    tracing.install(rig.app, spans)
    rig.get(f"/token?organization=acme&min_ttl={KEY}", traceparent=PARENT)
    (span,) = finished(spans, exporter)
    assert span.name == "GET /token"
    assert span.context is not None
    assert format(span.context.trace_id, "032x") == TRACE
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/token",
        "http.response.status_code": 400,
    }
    assert KEY not in span.to_json()


def test_a_path_that_is_not_there_is_not_repeated(
    rig: Rig, spans: Spans, exporter: InMemorySpanExporter
) -> None:
    """It may hold anything."""
    tracing.install(rig.app, spans)
    rig.get(f"/{KEY}")
    rig.client.open("/token", method=KEY)
    found = finished(spans, exporter)
    assert [span.name for span in found] == ["OTHER unknown"] * 2
    assert not any(KEY in span.to_json() for span in found)


def test_a_crash_ends_the_span(
    rig: Rig, spans: Spans, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the status that was answered."""
    tracing.install(rig.app, spans)
    monkeypatch.setattr(rig.broker, "token", lambda *_, **__: 1 / 0)
    rig.get()
    (span,) = finished(spans, exporter)
    assert attributes(span)["http.response.status_code"] == 503


def test_an_upstream_call_is_a_child_of_the_request_behind_it(
    rig: Rig, spans: Spans, exporter: InMemorySpanExporter
) -> None:
    """With its length, also when it has failed."""
    tracing.install(rig.app, spans)
    with rig.app.test_request_context("/token", headers={"traceparent": PARENT}):
        rig.app.preprocess_request()
        spans.handle(CallSucceeded("acme", Kind.REFRESH, 1.5))
        spans.handle(CallFailed("acme", Kind.AUTHENTICATE, AmbiguousError("timeout"), 5.0))
        spans.handle(Waited("acme", 0.2))
    good, bad, wait, request = finished(spans, exporter)
    assert request.context is not None
    for span in (good, bad, wait):
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
    assert (good.name, bad.name, wait.name) == (
        "canvas refresh",
        "canvas authenticate",
        "wait for refresh",
    )
    assert good.start_time is not None
    assert good.end_time is not None
    assert good.end_time - good.start_time == 1_500_000_000
    assert good.status.status_code is StatusCode.UNSET
    assert attributes(bad) == {"broker.organization": "acme", "error.type": "timeout"}
    assert bad.status.status_code is StatusCode.ERROR


def test_spans_of_no_request_stand_alone(spans: Spans, exporter: InMemorySpanExporter) -> None:
    """The refresher works without one."""
    spans.handle(CallSucceeded("acme", Kind.REFRESH, 0.1))
    (span,) = finished(spans, exporter)
    assert span.parent is None


def test_without_the_extra_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for them is told so when the settings are read."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError):
        Spans()


class HangingExporter(InMemorySpanExporter):
    """Takes a batch and does not come back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.ended = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hang, as where the collector's name does not resolve."""
        assert self.let_go.wait(60)
        self.ended.set()
        return super().export(spans)


def test_a_collector_that_hangs_holds_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop gives up on the last spans, while their sending still goes on."""
    monkeypatch.setattr(broker_tracing, "FLUSH", 0.05)
    exporter = HangingExporter()
    spans = Spans(exporter)
    spans.end(spans.begin(PARENT), "GET /token", {})
    spans.flush()
    assert not exporter.ended.is_set()
    exporter.let_go.set()
    assert exporter.ended.wait(60)
