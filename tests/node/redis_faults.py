"""Scenarios of Redis: deleted, moved to a new address, its password rotated."""

import time

from tests.node.rows import Row
from tests.node.scene import CLUSTER_IP, MOVED_IP, Scene, manifest, redis_service, secret
from tests.node.stage import NAMESPACE, Stage
from tests.node.swaps import has_redis, in_every_pod
from tests.node.trials import Trial, play

LISTENS = ("--tls", "--cacert", "/tls/ca.crt", "-h", "127.0.0.1", "--user", "administrator")


def deleted(stage: Stage) -> list[Row]:
    """Delete Redis's pod; the next one begins empty."""

    def delete(trial: Trial) -> None:
        stage.kubectl.do("-n", "redis", "delete", "pod", "-l", "app=redis", "--now")
        Scene(stage).wait_for("redis", "deployment/redis")
        trial.note(f"Redis is back after {trial.since():.0f} s")
        in_every_pod(trial, "Redis answers", lambda pod: has_redis(stage, pod))

    return [play(stage, "Redis deleted", delete)]


def moved(stage: Stage) -> list[Row]:
    """Let the name of Redis lead to another, empty one at another address; end the old one."""
    scene = Scene(stage)

    def move(trial: Trial) -> None:
        for name, old, address in (("moved", "redis", MOVED_IP), ("redis", "moved", CLUSTER_IP)):
            stage.kubectl.apply(*manifest("redis.yaml", name=name))
            scene.wait_for("redis", f"deployment/{name}")
            stage.kubectl.do("-n", "redis", "delete", "service", "redis")
            stage.kubectl.apply(redis_service(name, address))
            stage.kubectl.do("-n", "redis", "delete", "deployment", old)
            trial.note(f"at {address} after {trial.since():.0f} s")
            time.sleep(5.0)
            in_every_pod(trial, "Redis answers there", lambda pod: has_redis(stage, pod))

    return [play(stage, "Redis moved to a new address, and back", move)]


def password(stage: Stage) -> list[Row]:
    """Rotate the password: Redis takes both, the Secret is swapped, the old one ends."""
    scene = Scene(stage)

    def redis(*command: str) -> str:
        words = ["redis-cli", "--pass", scene.known["administrator"], "--no-auth-warning"]
        return stage.kubectl.execute(
            "redis", "deployment/redis", [*words, *LISTENS, *command]
        ).strip()

    def rotate(trial: Trial) -> None:
        old, new = scene.known["password"], scene.rotate("password")
        redis("ACL", "SETUSER", "broker", f">{new}")
        stage.kubectl.apply(secret(NAMESPACE, "canvas-token-broker-redis", {"password": new}))
        path = "/etc/canvas-token-broker/redis/password"
        show = ["/opt/broker/bin/python", "-c", f"print(open('{path}').read(), end='')"]

        def has_new(pod: object) -> bool:
            return stage.kubectl.execute(NAMESPACE, pod["metadata"]["name"], show) == new  # type: ignore[index]

        in_every_pod(trial, "the new password", has_new)
        time.sleep(5.0)
        redis("ACL", "SETUSER", "broker", f"<{old}")
        redis("CLIENT", "KILL", "USER", "broker")
        trial.note(f"the old one ended after {trial.since():.0f} s, and every connection with it")
        time.sleep(5.0)
        in_every_pod(trial, "Redis answers", lambda pod: has_redis(stage, pod))

    row = play(stage, "Redis password rotated", rotate)
    scene.make_redis()
    return [row]
