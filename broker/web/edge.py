"""The framework as all views need it: which target a request names, and what every answer has."""

from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from broker.web.answer import Standing
from broker.web.desk import TOKEN_PATH, WAYS
from broker.web.token_request import host_fault


class EdgeApp(Flask):
    """Flask with paths as they are, a ``Host`` that is checked, and ``headers`` on every answer."""

    def __init__(self, headers: Standing) -> None:
        super().__init__("broker", static_folder=None)
        self._headers = headers
        self.json.sort_keys = False  # type: ignore[attr-defined] # Flask's default provider has it
        self.url_map.merge_slashes = False  # a redirect is no part of the contract
        self.after_request(self._finish)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view; the framework takes ``//token`` for ``/token``.

        They are two paths (RFC 3986 section 6.2.2).
        """
        if request is not None and request.environ["PATH_INFO"].startswith("//"):
            raise NotFound
        return super().create_url_adapter(request)

    def dispatch_request(self) -> ResponseReturnValue:
        """Have the view answer; where it audits, it looks at ``Host`` itself."""
        rule = request.url_rule
        audited = rule is not None and rule.rule == TOKEN_PATH and request.method in WAYS
        fault = None if audited else host_fault(request.environ)
        if fault is not None:
            raise fault
        return super().dispatch_request()

    def _finish(self, response: Response) -> Response:
        for name, value in self._headers:
            response.headers[name] = value
        if "Allow" in response.headers:
            methods = response.headers["Allow"].split(", ")
            response.headers["Allow"] = ", ".join(sorted(methods))
        return response
