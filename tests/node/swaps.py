"""Scenarios in which a file of the pods changes: keys, callers, TLS, authority, tokens."""

import hashlib
import json
import socket
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from broker.callers import new_key
from tests.cluster.report import wait_for
from tests.node.rows import Row
from tests.node.scene import Scene, canvas_secret, secret
from tests.node.stage import HOST, NAMESPACE, Stage
from tests.node.trials import Trial, play

TAKEN_S = 150.0
LOOK_S = 1.0
RENEWED_S = 900.0
SHOW_TOKEN = "print(open('/caller/token').read())"


def in_every_pod(trial: Trial, what: str, holds: Callable[[Any], bool]) -> None:
    """Wait until something is so in each pod, and note after how long."""
    for pod in trial.stage.pods():
        wait_for(partial(holds, pod), lambda: f"not in every pod: {what}", TAKEN_S, LOOK_S)
    trial.note(f"{what} in every pod after {trial.since():.0f} s")


def organization(stage: Stage, pod: Any, name: str = "acme") -> dict[str, Any]:
    """Return what a pod's health says of an organization."""
    _, health = stage.ask(pod, "/health")
    if not isinstance(health, dict):
        return {}
    checks: list[dict[str, Any]] = health["checks"]["organization:token"]
    return next(one for one in checks if one["componentId"] == name)


def canvas_keys(stage: Stage) -> list[Row]:
    """Replace the Canvas keys of an organization, and put the old ones back."""

    def swap(trial: Trial) -> None:
        for keys in ("acme-new", "acme"):
            old = organization(stage, stage.pods()[0])["credential_version"]
            stage.kubectl.apply(canvas_secret("acme", keys))

            def is_taken(pod: Any, old: str = old) -> bool:
                said = organization(stage, pod)
                version = said.get("credential_version", old)
                return bool(version != old and said["token_of_credential_version"] == version)

            in_every_pod(trial, f"a token by the keys {keys}", is_taken)

    return [play(stage, "Secret swap: Canvas keys", swap)]


def callers(stage: Stage) -> list[Row]:
    """Add a caller by an upgrade that replaces no pod, and take it away again."""
    stage.release().upgrade(*stage.options())
    key, digest = new_key()

    def status(pod: Any) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return stage.ask(pod, "/token?organization=acme", **headers)[0]

    def swap(trial: Trial) -> None:
        before = {pod["metadata"]["uid"] for pod in stage.pods()}
        added = {"added": {"keySha256": [digest], "organizations": ["acme"]}}
        stage.release().upgrade(*stage.options(callers=added))
        in_every_pod(trial, "the new caller is let in", lambda pod: status(pod) == 200)
        stage.release().upgrade(*stage.options())
        in_every_pod(trial, "it is refused again", lambda pod: status(pod) == 401)
        if {pod["metadata"]["uid"] for pod in stage.pods()} != before:
            trial.problems.append("pods were replaced")

    return [play(stage, "ConfigMap swap: callers", swap)]


def certificate(stage: Stage) -> list[Row]:
    """Renew the broker's certificate, by the same authority."""
    scene = Scene(stage)
    file = stage.place.cluster / "broker-ca.pem"

    def presented(pod: Any) -> str:
        context = ssl.create_default_context(cafile=str(file))
        with (
            socket.create_connection((pod["status"]["podIP"], 8080), 5) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as wrapped,
        ):
            return hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()

    def swap(trial: Trial) -> None:
        old = presented(stage.pods()[0])
        scene.renew("broker", same_authority=True)
        stage.kubectl.apply(scene.broker_tls())
        in_every_pod(trial, "the new certificate", lambda pod: presented(pod) != old)

    return [play(stage, "Secret swap: TLS certificate", swap)]


def authority(stage: Stage) -> list[Row]:
    """Move Redis to a certificate of another authority: trust both, swap, trust the new one."""
    scene = Scene(stage)
    name = "canvas-token-broker-redis-ca"

    def trust(text: str) -> None:
        stage.kubectl.apply(secret(NAMESPACE, name, {"ca.crt": text}))

    def swap(trial: Trial) -> None:
        old = scene.file("redis-ca.pem")
        scene.renew("redis", same_authority=False)
        new = scene.file("redis-ca.pem")
        trust(old + new)
        in_every_pod(trial, "both authorities", lambda pod: old + new == mounted(stage, pod))
        stage.kubectl.apply(secret("redis", "redis-tls", scene.redis_tls()))
        stage.kubectl.do("-n", "redis", "rollout", "restart", "deployment/redis")
        scene.wait_for("redis", "deployment/redis")
        in_every_pod(trial, "Redis by the new authority", lambda pod: has_redis(stage, pod))
        trust(new)
        in_every_pod(trial, "only the new authority", lambda pod: new == mounted(stage, pod))

    return [play(stage, "Secret swap: authority of Redis", swap)]


def mounted(stage: Stage, pod: Any) -> str:
    """Return the authorities for Redis as they lie in a pod."""
    path = "/etc/canvas-token-broker/redis/ca.crt"
    command = ["/opt/broker/bin/python", "-c", f"print(open('{path}').read(), end='')"]
    return stage.kubectl.execute(NAMESPACE, pod["metadata"]["name"], command)


def has_redis(stage: Stage, pod: Any) -> bool:
    """Tell whether a pod's health says that Redis answers."""
    _, health = stage.ask(pod, "/health")
    if not isinstance(health, dict):
        return False
    checks = health["checks"]["redis:connection"]
    return all(one["status"] == "pass" for one in checks)


def token_renewal(stage: Stage) -> list[Row]:
    """Wait until the kubelet has renewed the callers' projected token."""

    def issued() -> int:
        token = stage.kubectl.execute(
            "shop", "caller", ["/opt/broker/bin/python", "-c", SHOW_TOKEN]
        )
        payload = token.split(".")[1]
        read = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return int(read["iat"])

    def renewal(trial: Trial) -> None:
        first = issued()
        wait_for(lambda: issued() != first, lambda: "it is the same", RENEWED_S, 5 * LOOK_S)
        trial.note(f"renewed {issued() - first} s after it was issued, of 600 s of its life")

    return [play(stage, "projected token renewed", renewal)]
