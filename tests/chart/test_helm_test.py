"""``helm test``: content with a broker that is right, and with no other."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.chart.helm_test import BY_KEY, HelmTest
from tests.chart.rendered import render
from tests.chart.samples import EACH_FILE, EVERY_POD, load
from tests.chart.workloads import templates
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.redis.certificates import LOOPBACK, Authority
from tests.servers import RedisServer, free_port

GOOD = {"access_token": "canary-token", "token_type": "Bearer", "expires_in": 700}
REFUSAL = (401, {"error": "invalid_token"})
NOT_FOUND = (404, {"error": "not_found"})
WRONG: list[tuple[tuple[int, dict[str, Any]], tuple[int, dict[str, Any]], str]] = [
    ((200, GOOD), (200, GOOD), "200 instead of 401"),
    ((200, GOOD), (503, {"error": "temporarily_unavailable"}), "503 instead of 401"),
    ((200, {**GOOD, "expires_in": 0}), REFUSAL, "FAILED"),
    ((200, {**GOOD, "expires_in": "700"}), REFUSAL, "FAILED"),
    ((200, {**GOOD, "token_type": "bearer?"}), REFUSAL, "FAILED"),
    ((200, {}), REFUSAL, "FAILED"),
    ((503, {"error": "temporarily_unavailable"}), REFUSAL, "temporarily_unavailable"),
    (REFUSAL, REFUSAL, "invalid_token"),
]
"""What a broker answers with and without a credential, and what is said of it."""


@pytest.fixture
def pod(tmp_path: Path) -> HelmTest:
    """Return the pod that asks with a key."""
    return HelmTest(tmp_path / "pod", {"/token": b"ctb_canary-key\n"}, BY_KEY)


@contextmanager
def answering(
    known: tuple[int, Any], unknown: tuple[int, Any], health: tuple[int, Any] = NOT_FOUND
) -> Iterator[str]:
    """Answer who shows a credential, and who does not, and whoever asks for health."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = known if "Authorization" in self.headers else unknown
            if self.path.startswith("/health"):
                status, body = health
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def deployment(folder: Path, valkey: RedisServer, **settings: str) -> Iterator[Deployment]:
    """Run a real broker with one worker, and the emulator in place of Canvas."""
    named = {
        "BROKER_REDIS_PREFIX": folder.name,
        "BROKER_WORKERS": "1",
        "BROKER_MANAGEMENT_BIND": f"127.0.0.1:{free_port()}",
        **settings,
    }
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})
    with EmulatorServer(canvas) as emulator:
        made = Deployment(folder, emulator, valkey.url, brokers=1, settings=named)
        with made:
            yield made


@pytest.mark.sockets
def test_a_real_broker_passes(tmp_path: Path, valkey: RedisServer) -> None:
    """A token with the key, a refusal without; neither is printed. It waits for the start."""
    with deployment(tmp_path, valkey) as running:
        key = {"/token": running.key.encode()}
        url = f"http://127.0.0.1:{running.brokers[0].port}"
        done = HelmTest(tmp_path / "pod", key, BY_KEY).run(url, patience=30)
        token = running.token().body["access_token"]
        wrong = HelmTest(tmp_path / "other", {"/token": b"ctb_wrong"}, BY_KEY).run(url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ok: ") == 3
    assert token not in done.stdout
    assert running.key not in done.stdout
    assert wrong.returncode == 1
    assert "invalid_token" in wrong.stderr


@pytest.mark.sockets
def test_a_real_broker_with_tls_passes(tmp_path: Path, valkey: RedisServer) -> None:
    """The authority lies beside the certificate in its Secret; without it nobody is trusted."""
    authority = Authority(tmp_path, "authority")
    pair = authority.server(LOOPBACK)
    files = {
        "BROKER_TLS_CERT_FILE": str(pair.certificate),
        "BROKER_TLS_KEY_FILE": str(pair.key),
    }
    values = {**BY_KEY, "tls.existingSecret": "pair"}
    with deployment(tmp_path, valkey, **files) as running:
        url = f"https://127.0.0.1:{running.brokers[0].port}"
        known = {"/token": running.key.encode(), "/ca.crt": authority.file.read_bytes()}
        done = HelmTest(tmp_path / "pod", known, values).run(url, patience=30)
        other = Authority(tmp_path, "other").file.read_bytes()
        distrusting = HelmTest(tmp_path / "other-pod", {**known, "/ca.crt": other}, values)
        refused = distrusting.run(url)
    assert done.returncode == 0, done.stderr
    assert refused.returncode == 1


@pytest.mark.sockets
def test_a_good_answer_is_enough(pod: HelmTest) -> None:
    """So that the wrong ones below fail for what is wrong with them."""
    with answering((200, GOOD), REFUSAL) as url:
        assert pod.run(url).returncode == 0


@pytest.mark.sockets
@pytest.mark.parametrize("enabled", [True, False])
def test_health_where_callers_are(tmp_path: Path, *, enabled: bool) -> None:
    """It fails where the chart has put it elsewhere."""
    values = {**BY_KEY, "management.enabled": enabled}
    pod = HelmTest(tmp_path / "pod", {"/token": b"ctb_canary-key"}, values)
    with answering((200, GOOD), REFUSAL, (200, {"status": "pass"})) as url:
        done = pod.run(url)
    assert done.returncode == int(enabled)
    assert ("/health answers where callers are" in done.stderr) == enabled


@pytest.mark.sockets
@pytest.mark.parametrize(("known", "unknown", "words"), WRONG)
def test_a_wrong_answer_fails(
    known: tuple[int, Any], unknown: tuple[int, Any], words: str, pod: HelmTest
) -> None:
    """And says what it was, but no token and no credential."""
    with answering(known, unknown) as url:
        done = pod.run(url)
    assert done.returncode == 1
    assert words in done.stderr
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.sockets
def test_nobody_there_fails(pod: HelmTest) -> None:
    """In a sentence, not by a traceback."""
    with answering((200, GOOD), REFUSAL) as url:
        pass
    done = pod.run(url)
    assert done.returncode == 1
    assert "FAILED" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_asks_the_service(pod: HelmTest, tmp_path: Path) -> None:
    """By its name, namespace and port; with TLS by https."""
    service = pod.rendered.one("Service", "broker")
    secure = HelmTest(tmp_path / "x", {"": b""}, {**BY_KEY, "tls.existingSecret": "pair"})
    for one, scheme in ((pod, "http"), (secure, "https")):
        url = urlsplit(one.environment()["TOKEN_BROKER"])
        assert url.scheme == scheme
        assert url.hostname == f"{service['metadata']['name']}.tokens.svc"
        assert url.port == service["spec"]["ports"][0]["port"]


def test_it_asks_as_its_own_account_where_it_has_no_key() -> None:
    """By a token for the broker's audience; the account is no hook: it must be a caller before."""
    rendered = render(EVERY_POD)
    pod = rendered.one("Pod", "test")
    account = rendered.named("ServiceAccount", pod["spec"]["serviceAccountName"])
    assert "helm.sh/hook" not in account["metadata"].get("annotations", {})
    assert account["metadata"]["name"] != rendered.broker()["metadata"]["name"]
    (volume,) = (v["projected"] for v in pod["spec"]["volumes"] if v["name"] == "credential")
    (source,) = volume["sources"]
    assert source["serviceAccountToken"]["audience"] == "canvas-token-broker"


def test_it_is_a_test_and_ends(pod: HelmTest) -> None:
    """It is made by ``helm test`` alone, and is gone afterwards unless it failed."""
    annotations = pod.pod["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    policy = annotations["helm.sh/hook-delete-policy"].split(",")
    assert set(policy) == {"before-hook-creation", "hook-succeeded"}
    assert pod.pod["spec"]["restartPolicy"] == "Never"
    assert pod.pod["spec"]["activeDeadlineSeconds"] <= 300


@EACH_FILE
def test_every_script_compiles(path: Path) -> None:
    """What is handed to ``python -c`` has kept its indentation."""
    for template in templates(render(load(path))).values():
        for container in template["spec"]["containers"]:
            words = [*container.get("command", ()), *container.get("args", ())]
            if words[:1] == ["python"]:
                compile(words[2], container["name"], "exec")
