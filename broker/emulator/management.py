"""The management path ``/_emulator``: counters, knobs, and a business API to try tokens on."""

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, Unauthorized

from broker.emulator.controls import Controls
from broker.emulator.knobs import KnobError
from broker.emulator.minting import PREFIX


def management(controls: Controls) -> Blueprint:
    """Return the management path of an emulator; it asks nobody who they are."""
    paths = Blueprint("management", __name__, url_prefix="/_emulator")
    paths.get("/stats", endpoint="get stats")(lambda: jsonify(controls.report()))
    paths.get("/faults", endpoint="get faults")(lambda: jsonify(controls.shown()))
    paths.post("/faults", endpoint="post faults")(lambda: _turn(controls))
    paths.post("/reset", endpoint="post reset")(lambda: _reset(controls))
    paths.post("/release", endpoint="post release")(lambda: jsonify(released=controls.release()))
    paths.post("/revoke", endpoint="post revoke")(lambda: _revoke(controls))
    paths.get("/whoami", endpoint="get whoami")(lambda: _whoami(controls))
    return paths


def _turn(controls: Controls) -> Response:
    try:
        controls.turn(_sent())
    except KnobError as error:
        raise BadRequest(str(error)) from None
    return jsonify(controls.shown())


def _reset(controls: Controls) -> Response:
    controls.reset()
    return jsonify(controls.shown())


def _revoke(controls: Controls) -> Response:
    match _sent():
        case {"access_token": str(token), **rest} if not rest:
            return jsonify(revoked=int(controls.canvas.revoke(token.removeprefix(PREFIX))))
        case {"organization": str(name), **rest} if not rest:
            return jsonify(revoked=controls.canvas.revoke_organization(name))
    raise BadRequest('the body must be {"access_token": "<token>"} or {"organization": "<name>"}')


def _whoami(controls: Controls) -> Response:
    controls.stats.whoami()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    owner = controls.canvas.owner(token) if scheme == PREFIX.strip() else None
    if owner is None:
        raise Unauthorized("this is no access token of Canvas, or it has ended")
    return jsonify(organization=owner)


def _sent() -> Mapping[str, object]:
    sent = request.get_json(force=True, silent=True)  # curl -d calls everything a form
    if not isinstance(sent, Mapping):
        raise BadRequest("the body must be a JSON object")
    return sent
