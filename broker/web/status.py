"""``/status``: one self-contained page for people, which asks ``/health`` and shows the answer.

Its parts lie in ``page/`` and are put together once. The browser is allowed this one script and
this one style, both by their hashes, and to ask this broker; nothing else.
"""

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from flask import Blueprint, Response

from broker.failure_kinds import TABLE

SCRIPTS = (
    "words.js",
    "elements.js",
    "history.js",
    "organization.js",
    "list.js",
    "overview.js",
    "live.js",
)
"""The parts of the script, each building on those before it."""


def status_view() -> Blueprint:
    """Return the view of the page; it needs no caller key and tells nothing by itself."""
    views = Blueprint("status", __name__)

    @views.get("/status")
    def status() -> Response:
        return Response(PAGE, mimetype="text/html", headers=HEADERS)

    return views


def _part(name: str) -> str:
    """Return a part without the indentation and the whole-line comments that only we read."""
    lines = files("broker.web").joinpath("page", name).read_text("utf-8").splitlines()
    bare = (line.strip() for line in lines)
    return "\n".join(line for line in bare if line and not line.startswith(("// ", "/** ")))


def _source(text: str) -> str:
    """Return what allows exactly this text in a content security policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _policy(script: str, style: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


_STYLE = _part("style.css")
_MEANINGS = json.dumps({kind: explanation.means for kind, explanation in TABLE.items()})
_SCRIPT = "\n".join(map(_part, SCRIPTS)).replace("{failures}", _MEANINGS)
PAGE = _part("page.html").replace("{style}", _STYLE).replace("{script}", _SCRIPT).encode()
"""The whole page, as it is sent."""
HEADERS = {
    "Content-Security-Policy": _policy(_SCRIPT, _STYLE),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What goes with it, beside the headers of every answer."""
