"""A real broker with exactly what the chart's pod is given by the cluster."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from broker.callers import new_key
from tests.cluster.accounts import make_account, request_token
from tests.cluster.admission import make_namespace
from tests.cluster.api import Api, must
from tests.cluster.kubelet import Mounted
from tests.cluster.release import Release
from tests.cluster.report import expect
from tests.cluster.stage import Stage
from tests.cluster.stand_ins import ORGANIZATION, StandIns, stand_ins
from tests.integration.deployment import CONSUMER, SECRET_KEY, BrokerProcess
from tests.servers import free_port

NAMESPACE = "canvas"
AUDIENCE = "canvas-token-broker"
JWKS = "openid/v1/jwks"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TEST_LIMIT = 60.0
SERVE = ["serve"]
"""What the image does when its container names no arguments."""
UNSAID = {
    "BROKER_KUBERNETES_TOKEN_FILE": f"{ACCOUNT}/token",
    "BROKER_KUBERNETES_CA_FILE": f"{ACCOUNT}/ca.crt",
}
"""Where the broker looks by default, in its pod."""


def as_its_pod(stage: Stage) -> None:
    """Install the chart, start the broker as its pod, ask it, and change its callers."""
    step, release = stage.report.step, stage.release(NAMESPACE)
    folder = stage.folder / "as-its-pod"
    folder.mkdir()
    key, digest = new_key()
    with ExitStack() as running:
        others = running.enter_context(stand_ins(folder))
        with step("helm install for callers by key and by service account of this cluster"):
            prepare(stage.api, others)
            values = values_file(folder, stage.api, others, digest)
            release.install(*values)
        with step("a real broker starts with the files, variables and arguments of its pod"):
            mounted = Mounted(stage.api, broker_pod(release), folder / "pod")
            broker = running.enter_context(process(mounted, folder))
            broker.wait_for("/health/ready", lambda reply: reply.status == 200)
        with step(f"it passes the probes: {', '.join(mounted.probes())}"):
            for name, path in mounted.probes().items():
                expect(broker.get(path).status == 200, f"{name} fails")
        with step("it gives a Canvas token to a service account of the cluster, and for a key"):
            token = request_token(stage.api, NAMESPACE, "orders", AUDIENCE)
            broker.wait_for("/token", lambda reply: reply.status == 200, token)
            expect(broker.get("/token", key).status == 200, "the key is refused")
        refusals(stage, broker)
        own_test(stage, release, folder / "test", broker)
        change_of_callers(stage, release, values, mounted, broker)
        with step("it ends with exit code 0 on SIGTERM"):
            expect(broker.terminate() == 0, "it does not")
    with step("helm uninstall"):
        release.uninstall()


def refusals(stage: Stage, broker: BrokerProcess) -> None:
    """Show tokens that this cluster issued, and that are good for nothing here."""
    with stage.report.step("it refuses another account, another audience, and the API server's"):
        for account, audience in (("other", AUDIENCE), ("orders", "elsewhere"), ("orders", "")):
            token = request_token(stage.api, NAMESPACE, account, audience)
            status = broker.get("/token", token).status
            expect(status == 401, f"{account} for {audience} is answered with {status}")


def own_test(stage: Stage, release: Release, folder: Path, broker: BrokerProcess) -> None:
    """Run the program of the chart's test with what its pod is given, against that broker."""
    (pod,) = release.tests()
    with stage.report.step("the program of helm test gets a token from it, and one refusal"):
        mounted = Mounted(stage.api, pod, folder)
        address = {"TOKEN_BROKER": f"http://127.0.0.1:{broker.port}"}
        done = subprocess.run(
            [sys.executable, *mounted.command()[1:]],
            env=mounted.environ() | address,
            capture_output=True,
            text=True,
            timeout=TEST_LIMIT,
            check=False,
        )
        expect(done.returncode == 0, done.stdout + done.stderr)
        expect("ok: refused" in done.stdout, done.stdout)


def change_of_callers(
    stage: Stage, release: Release, values: tuple[str, ...], mounted: Mounted, broker: BrokerProcess
) -> None:
    """Add a caller: the pods stay, and the running broker takes it."""
    added = f"--set=callers.other.serviceAccount={NAMESPACE}:other"
    with stage.report.step("helm upgrade with one more caller replaces no pod"):
        before = {pod["metadata"]["uid"] for pod in release.pods()}
        release.upgrade(*values, added, f"--set=callers.other.organizations={{{ORGANIZATION}}}")
        after = {pod["metadata"]["uid"] for pod in release.pods()}
        expect(before == after, "pods were replaced")
    with stage.report.step("the running broker takes the caller once the mounted file is swapped"):
        mounted.mount()
        token = request_token(stage.api, NAMESPACE, "other", AUDIENCE)
        broker.wait_for("/token", lambda reply: reply.status == 200, token)


def prepare(api: Api, others: StandIns) -> None:
    """Make what an operator makes first: the namespace, the Secrets, and the callers' accounts."""
    make_namespace(api, NAMESPACE)
    make_secret(api, "canvas-acme", {"consumer": CONSUMER, "secret-key": SECRET_KEY})
    make_secret(api, "redis", {"url": others.redis_url})
    for name in ("orders", "other"):
        make_account(api, NAMESPACE, name)


def make_secret(api: Api, name: str, data: dict[str, str]) -> None:
    """Make a Secret."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    must(api.create(secret, NAMESPACE))


def values_file(folder: Path, api: Api, others: StandIns, digest: str) -> tuple[str, str]:
    """Write the values of this release; return the option that names them."""
    orders = {"serviceAccount": f"{NAMESPACE}:orders", "organizations": [ORGANIZATION]}
    values: dict[str, Any] = {
        "organizations": {ORGANIZATION: {"secretName": "canvas-acme"}},
        "callers": {
            "orders": orders,
            "billing": {"keySha256": [digest], "organizations": ["*"]},
        },
        "serviceAccountCallers": {"enabled": True, "jwksUrl": f"{api.url}/{JWKS}"},
        "canvas": {"url": others.canvas_url},
        "settings": {
            "BROKER_CANVAS_ALLOW_HTTP": True,
            "BROKER_KUBERNETES_TOKEN_HOST": urlsplit(api.url).hostname,
        },
        "helmTest": {"enabled": True, "serviceAccountCaller": True},
        "redis": {"existingSecret": {"name": "redis"}},
    }
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    return "--values", str(file)


def broker_pod(release: Release) -> Any:
    """Return one of the broker's pods as admission left it."""
    deployment = release.deployment()
    return next(pod for pod in release.pods() if release.is_broker(pod, deployment))


@contextmanager
def process(mounted: Mounted, folder: Path) -> Iterator[BrokerProcess]:
    """Run the broker; only the addresses that it listens on are others than in its pod."""
    unsaid = {name: mounted.placed(path) for name, path in UNSAID.items()}
    here = {"BROKER_MANAGEMENT_BIND": f"127.0.0.1:{free_port()}"}
    broker = BrokerProcess(unsaid | mounted.environ() | here, folder / "broker.log")
    broker.command = (sys.executable, "-m", "broker", *(mounted.arguments() or SERVE))
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
