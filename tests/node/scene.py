"""What the release needs around it: Redis, Canvas, callers, and the Secrets that it names."""

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml
from cryptography import x509

from broker.callers import new_key
from tests.cluster.admission import make_namespace
from tests.cluster.crds import define
from tests.node.stage import HOST, NAMESPACE, Stage
from tests.redis.certificates import Authority

MANIFESTS = Path(__file__).parent / "manifests"
PROGRAM = Path(__file__).parent / "caller.py"
NAMESPACES = ("redis", "canvas", "shop", NAMESPACE)
KEYS = {
    "acme": ("1" * 64, "11111111-1111-1111-1111-111111111111"),
    "acme-new": ("2" * 64, "22222222-2222-2222-2222-222222222222"),
    "globex": ("3" * 64, "33333333-3333-3333-3333-333333333333"),
}
RIGHTS = (
    "~canvas-token-broker:* resetchannels &canvas-token-broker:* -@all +evalsha +eval +time +info"
    " +hget +hmget +hset +hstrlen +type +hsetnx +hdel +hincrby +del +set +pexpire +pttl"
    " +publish +subscribe"
)
HOSTS = {"broker": (HOST, f"{HOST}.svc"), "redis": ("redis.redis",)}
CLUSTER_IP = "10.0.0.63"
MOVED_IP = "10.0.0.64"
IMAGE = {"registry": "", "tag": "present", "pullPolicy": "Never"}


class Scene:
    """Everything but the release; its passwords and authorities are kept in the node's folder."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._folder = stage.place.cluster
        self._kept = self._folder / "scene.json"
        if not self._kept.exists():
            self._kept.write_text(json.dumps(self._drawn()))
        self.known: dict[str, str] = json.loads(self._kept.read_text())

    def _drawn(self) -> dict[str, str]:
        for name in HOSTS:
            self._sign(Authority(self._folder, f"{name}-ca"), name)
        key, digest = new_key()
        words = {name: secrets.token_hex(16) for name in ("password", "administrator")}
        return {"key": key, "digest": digest, **words}

    def _sign(self, authority: Authority, name: str) -> None:
        pair = authority.server(*map(x509.DNSName, HOSTS[name]))
        pair.certificate.rename(self._folder / f"{name}.crt")
        pair.key.rename(self._folder / f"{name}-tls.key")

    def renew(self, name: str, *, same_authority: bool) -> None:
        """Make a new certificate, by the same authority or by a new one of its name."""
        self._sign(Authority(self._folder, f"{name}-ca", same_key=same_authority), name)

    def rotate(self, name: str) -> str:
        """Draw a password anew, keep it, and return it."""
        self.known[name] = secrets.token_hex(16)
        self._kept.write_text(json.dumps(self.known))
        return self.known[name]

    def file(self, name: str) -> str:
        """Return a file of certificates or keys."""
        return (self._folder / name).read_text()

    def make(self) -> None:
        """Make all of it."""
        stage = self._stage
        define(stage.api)
        for name in NAMESPACES:
            make_namespace(stage.api, name)
        self.make_redis()
        self.make_canvas(KEYS)
        self.make_secrets()
        self.make_caller()

    def make_redis(self) -> None:
        """Start Redis behind a Service of its name."""
        users = [
            "user default off",
            f"user broker on >{self.known['password']} {RIGHTS}",
            f"user administrator on >{self.known['administrator']} ~* &* +@all",
        ]
        self._stage.kubectl.apply(
            secret("redis", "redis-acl", {"users.acl": "\n".join(users) + "\n"}),
            secret("redis", "redis-tls", self.redis_tls()),
            *manifest("redis.yaml", name="redis"),
            redis_service("redis", CLUSTER_IP),
        )
        self.wait_for("redis", "deployment/redis")

    def redis_tls(self) -> dict[str, str]:
        """Return what Redis presents."""
        return {
            "tls.crt": self.file("redis.crt"),
            "tls.key": self.file("redis-tls.key"),
            "ca.crt": self.file("redis-ca.pem"),
        }

    def broker_tls(self) -> dict[str, Any]:
        """Return the Secret with the broker's certificate, and the authority for helm's test."""
        files = {"tls.crt": "broker.crt", "tls.key": "broker-tls.key", "ca.crt": "broker-ca.pem"}
        data = {key: self.file(name) for key, name in files.items()}
        return secret(NAMESPACE, "canvas-token-broker-tls", data)

    def make_canvas(self, keys: Mapping[str, tuple[str, str]]) -> None:
        """Start the emulator with these organizations, or start it anew."""
        held: dict[str, str] = {}
        items = []
        for name, (consumer, secret_key) in keys.items():
            held |= {f"{name}-consumer": consumer, f"{name}-secret-key": secret_key}
            items += [
                {"key": f"{name}-{part}", "path": f"{name}/{part}"}
                for part in ("consumer", "secret-key")
            ]
        self._stage.kubectl.apply(
            secret("canvas", "keys", held), *manifest("canvas.yaml", items=json.dumps(items))
        )
        self.wait_for("canvas", "deployment/canvas")

    def make_secrets(self) -> None:
        """Make the Secrets that values-production.yaml and the stage's values name."""
        self._stage.kubectl.apply(
            canvas_secret("acme"),
            canvas_secret("globex"),
            secret(NAMESPACE, "canvas-token-broker-redis", {"password": self.known["password"]}),
            secret(
                NAMESPACE, "canvas-token-broker-redis-ca", {"ca.crt": self.file("redis-ca.pem")}
            ),
            self.broker_tls(),
            secret(NAMESPACE, "wrong-password", {"password": "wrong"}),
            secret(NAMESPACE, "wrong-ca", {"ca.crt": self.file("broker-ca.pem")}),
        )

    def make_caller(self) -> None:
        """Start the pod that the load comes from, and name its namespace as one of callers."""
        stage = self._stage
        files = {"caller.py": PROGRAM.read_text(), "ca.crt": self.file("broker-ca.pem")}
        stage.kubectl.do(
            "label", "namespace", "shop", "canvas-token-broker/caller=true", "--overwrite"
        )
        stage.kubectl.do("-n", "shop", "delete", "pod", "caller", "--ignore-not-found")
        stage.kubectl.apply(
            secret("shop", "key", {"key": self.known["key"]}),
            of_kind("ConfigMap", "shop", "caller", data=files),
            *manifest("caller.yaml"),
        )
        stage.kubectl.do("-n", "shop", "wait", "--for=condition=Ready", "pod/caller")

    def wait_for(self, namespace: str, name: str) -> None:
        """Wait until a rollout is done."""
        limit = "--timeout=110s"
        self._stage.kubectl.do("-n", namespace, "rollout", "status", name, limit)

    def values(self) -> dict[str, Any]:
        """Return what the release is told beside values-production.yaml.

        The toleration lets a drained node take the pods that replace those drained: there is but
        one node.
        """
        port = int(self._stage.api.url.rpartition(":")[2])
        unschedulable = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
        billing = {"keySha256": [self.known["digest"]], "organizations": ["acme", "globex"]}
        orders = {"serviceAccount": "shop:orders", "organizations": ["acme", "globex"]}
        return {
            "image": IMAGE,
            "callers": {"billing": billing, "orders": orders},
            "canvas": {"url": "http://canvas.canvas:8090/api"},
            "redis": {"url": "rediss://redis.redis:6379/0"},
            "tls": {"existingSecret": "canvas-token-broker-tls"},
            "networkPolicy": {"egressPorts": [8090, port]},
            "settings": {"BROKER_CANVAS_ALLOW_HTTP": "true"},
            "tolerations": [unschedulable],
        }


def canvas_secret(name: str, keys: str | None = None) -> dict[str, Any]:
    """Return the Secret of an organization, with its own keys or those of another."""
    consumer, secret_key = KEYS[keys or name]
    data = {"consumer": consumer, "secret-key": secret_key}
    return secret(NAMESPACE, f"canvas-{name}", data)


def redis_service(instance: str, address: str) -> dict[str, Any]:
    """Return the Service called redis, in front of one of its instances, at an address."""
    spec = {
        "clusterIP": address,
        "selector": {"app": instance},
        "ports": [{"port": 6379, "targetPort": 6379}],
    }
    return of_kind("Service", "redis", "redis", spec=spec)


def secret(namespace: str, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """Return a Secret."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return of_kind("Secret", namespace, name, data=encoded)


def of_kind(kind: str, namespace: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return an object of the core group."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def manifest(file: str, **words: str) -> list[Any]:
    """Return the objects of a file, with words put in."""
    text = Template((MANIFESTS / file).read_text()).substitute(words)
    return [one for one in yaml.safe_load_all(text) if one]
