"""The HTTP face of the emulator, as a Flask application."""

from email.utils import formatdate
from functools import partial

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from broker.emulator.calls import Asked, answer_call
from broker.emulator.canvas import Canvas
from broker.emulator.controls import Controls
from broker.emulator.edge import passes_over
from broker.emulator.management import management
from broker.emulator.stats import Kind

BASE_PATH = "/api"


def create_emulator(
    canvas: Canvas, *, controls: Controls | None = None, base_path: str = BASE_PATH
) -> Flask:
    """Return an application that is ``canvas`` under ``base_path``, managed at ``/_emulator``.

    ``controls`` turns its knobs from the outside; it must be the same canvas's.
    """
    used = controls or Controls(canvas)
    app = Flask("broker.emulator", static_folder=None)
    app.url_map.strict_slashes = True
    app.add_url_rule(f"{base_path}/Authenticate", "authenticate", partial(_authenticate, used))
    app.add_url_rule(f"{base_path}/RefreshAccessToken", "refresh", partial(_refresh, used))
    app.register_blueprint(management(used))
    app.register_error_handler(HTTPException, _explain)
    app.after_request(partial(_date, canvas))
    return app


def _authenticate(controls: Controls) -> Response:
    consumer, secret_key = _keys()
    work = partial(controls.canvas.authenticate, consumer, secret_key)
    connection = request.environ.get("werkzeug.socket")
    uncached = passes_over(request.headers.get("Cache-Control", ""))
    asked = Asked(Kind.AUTHENTICATE, consumer, work, uncached=uncached, connection=connection)
    return answer_call(controls, asked)


def _refresh(controls: Controls) -> Response:
    consumer, secret_key = _keys()
    token = request.args.get("refreshToken", "")
    work = partial(controls.canvas.refresh, consumer, secret_key, token)
    connection = request.environ.get("werkzeug.socket")
    return answer_call(controls, Asked(Kind.REFRESH, consumer, work, token, connection=connection))


def _keys() -> tuple[str, str]:
    if request.method != "GET":  # Flask adds HEAD, which must not use up a refresh token
        raise MethodNotAllowed(["GET"])
    return request.headers.get("Consumer", ""), request.headers.get("SecretKey", "")


def _explain(error: HTTPException) -> Response:
    """Answer what is not Canvas's business: unknown paths and mistakes in managing."""
    answer = jsonify(
        error=error.name.lower().replace(" ", "_"), error_description=error.description
    )
    answer.status_code = error.code or 500
    for name, value in error.get_headers():
        if name != "Content-Type":
            answer.headers[name] = value
    return answer


def _date(canvas: Canvas, answer: Response) -> Response:
    answer.headers.setdefault("Date", formatdate(canvas.date(), usegmt=True))
    return answer
