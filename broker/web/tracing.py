"""One span for each request: method, path as the service knows it, status. Never what was sent."""

from flask import Flask, Response, g, request

from broker.tracing import Spans

_ERROR = 500


def install(app: Flask, spans: Spans) -> None:
    """Let each request of ``app`` have a span, a child of its caller's."""

    def begin() -> None:
        g.span = spans.begin(request.headers.get("traceparent", ""))

    def note(response: Response) -> Response:
        g.status = response.status_code
        return response

    def end(error: BaseException | None) -> None:
        del error
        begun = g.pop("span", None)
        if begun is None:
            return
        status = g.get("status", _ERROR)
        path = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.url_rule else "OTHER"
        attributes = {
            "http.request.method": method,
            "http.route": path,
            "http.response.status_code": status,
        }
        spans.end(begun, f"{method} {path}", attributes)

    app.before_request(begin)
    app.after_request(note)
    app.teardown_request(end)
