"""The framework as all views need it: which target a request names, and what every answer has."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from broker.web.answer import JSON, STANDING, Standing
from broker.web.desk import TOKEN_PATH, WAYS
from broker.web.endpoints import EVERY, PORTS, Port
from broker.web.token_request import host_fault


class EdgeApp(Flask):
    """Flask with paths as they are, a ``Host`` that is checked, and ``headers`` on every answer.

    It has the paths of its ``ports``: any other is unknown here, whatever the method.
    """

    def __init__(self, headers: Standing = STANDING, ports: frozenset[Port] = EVERY) -> None:
        super().__init__("broker", static_folder=None)
        self.headers = headers
        self._ports = ports
        self.json.sort_keys = False  # type: ignore[attr-defined] # Flask's default provider has it
        self.url_map.merge_slashes = False  # a redirect is no part of the contract
        self.after_request(self._finish)

    def has(self, path: str) -> bool:
        """Tell whether ``path`` answers here; raises KeyError if it is in no table."""
        return not self._ports.isdisjoint(PORTS[path])

    def add_url_rule(self, rule: str, *arguments: Any, **named: Any) -> None:
        """Add a view, if its path answers here."""
        if self.has(rule):
            super().add_url_rule(rule, *arguments, **named)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view by the path alone; no view makes a URL of this service.

        The framework takes ``//token`` for ``/token``: they are two paths (RFC 3986 section 6.2.2).
        """
        if request is None:
            return None
        if request.environ["PATH_INFO"].startswith("//"):
            raise NotFound
        return self.url_map.bind("", default_method=request.method, path_info=request.path)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is: no view is a coroutine, and to ask costs a tenth of a request."""
        return func

    def dispatch_request(self) -> ResponseReturnValue:
        """Have the view answer; where it audits, it looks at ``Host`` itself.

        ``OPTIONS *`` asks for no path (RFC 9110 section 9.3.7).
        """
        rule = request.url_rule
        audited = rule is not None and rule.rule == TOKEN_PATH and request.method in WAYS
        fault = None if audited else host_fault(request.environ)
        if fault is not None:
            raise fault
        if request.method == "OPTIONS" and request.environ["PATH_INFO"] == "*":
            every = {one for rule in self.url_map.iter_rules() for one in rule.methods or ()}
            return Response(headers={"Allow": ", ".join(every)}, mimetype=JSON)
        return super().dispatch_request()

    def _finish(self, response: Response) -> Response:
        response.headers.extend(self.headers)
        if "Allow" in response.headers:
            methods = response.headers["Allow"].split(", ")
            response.headers["Allow"] = ", ".join(sorted(methods))
        return response
