"""etcd, kube-apiserver and kube-controller-manager on loopback, with certificates of their own.

::

    with ControlPlane(binaries, folder) as plane:
        plane.api.get("version")
        # plane.kubeconfig is a file for helm and kubectl

There is no scheduler and no kubelet: pods are created and judged by admission, none runs. With an
address that is not loopback's, pods can reach it, and every controller is at work.
"""

import ipaddress
import json
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.api import Api
from tests.cluster.binaries import Binaries
from tests.cluster.processes import Process
from tests.redis.certificates import LOOPBACK, Authority, Pair
from tests.servers import free_port

ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMINISTRATORS = "system:masters"
LOOPBACK_ADDRESS = "127.0.0.1"
SERVICES = "10.0.0.0/24"
NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
START_LIMIT = 90.0
CONTROLLERS = (
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)


class ControlPlane:
    """The part of a cluster that keeps and judges objects, for as long as the ``with`` block."""

    def __init__(self, binaries: Binaries, folder: Path, address: str = LOOPBACK_ADDRESS) -> None:
        self._binaries = binaries
        self._folder = folder
        self._address = address
        self._running = ExitStack()
        self._etcd = f"http://127.0.0.1:{free_port()}"
        self._port = free_port()
        authority = Authority(folder, "cluster-ca")
        self._serving = authority.server(*server_names(address))
        self._signing_key = signing_key(folder / "accounts.key")
        self._users = folder / "users.csv"
        self._ca_file = authority.file
        self.api, self.kubeconfig = self.user("administrator", ADMINISTRATORS)

    def __enter__(self) -> Self:
        with ExitStack() as running:
            running.callback(self.api.close)
            etcd = self._start(running, "etcd", self._etcd_command())
            etcd.wait_until(self._etcd_answers, START_LIMIT)
            server = self._start(running, "kube-apiserver", self._api_server_command())
            server.wait_until(self.api.is_ready, START_LIMIT)
            manager = self._start(running, "controller-manager", self._manager_command())
            manager.wait_until(self._accounts_are_made, START_LIMIT)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def user(self, name: str, group: str) -> tuple[Api, Path]:
        """Let the API server know one more user, before it is started; return how it asks."""
        api = Api(f"https://{self._address}:{self._port}", secrets.token_hex(16), self._ca_file)
        with self._users.open("a") as users:
            users.write(f'{api.token},{name},{name},"{group}"\n')
        file = self._folder / f"{name.replace(':', '-')}.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(json.dumps(kubeconfig(api)))
        return api, file

    def _start(self, running: ExitStack, name: str, command: list[str]) -> Process:
        process = Process(command, self._folder / f"{name}.log")
        running.callback(process.stop)
        return process

    def _etcd_command(self) -> list[str]:
        peer = f"http://127.0.0.1:{free_port()}"
        return [
            self._binaries.etcd,
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={self._etcd}",
            f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server_command(self) -> list[str]:
        return [
            self._binaries.api_server,
            f"--etcd-servers={self._etcd}",
            f"--bind-address={self._address}",
            f"--advertise-address={self._address}",
            f"--endpoint-reconciler-type={'none' if self._is_alone else 'lease'}",
            f"--secure-port={self._port}",
            f"--service-cluster-ip-range={SERVICES}",
            *serving_options(self._serving),
            f"--token-auth-file={self._users}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
        ]

    def _manager_command(self) -> list[str]:
        return [
            self._binaries.controller_manager,
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS) if self._is_alone else '*'}",
            f"--root-ca-file={self.api.ca_file}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    @property
    def _is_alone(self) -> bool:
        return self._address == LOOPBACK_ADDRESS

    def _etcd_answers(self) -> bool:
        try:
            with urllib3.PoolManager(timeout=2.0, retries=False) as pool:
                return pool.request("GET", f"{self._etcd}/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _accounts_are_made(self) -> bool:
        path = "api/v1/namespaces/default/serviceaccounts/default"
        return self.api.ask("GET", path).status == 200


def server_names(address: str) -> list[x509.GeneralName]:
    """Return the names in the API server's certificate: its addresses, and those of its Service."""
    first = next(ipaddress.IPv4Network(SERVICES).hosts())
    addresses = [x509.IPAddress(one) for one in (ipaddress.IPv4Address(address), first)]
    return [*addresses, LOOPBACK, *map(x509.DNSName, NAMES)]


def serving_options(pair: Pair) -> list[str]:
    """Return the options that name a certificate and its key."""
    return [f"--tls-cert-file={pair.certificate}", f"--tls-private-key-file={pair.key}"]


def signing_key(file: Path) -> Path:
    """Write a new key that service-account tokens are signed with."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(pem)
    return file


def kubeconfig(api: Api) -> dict[str, object]:
    """Return how clients reach an API server; JSON is YAML."""
    cluster = {"server": api.url, "certificate-authority": str(api.ca_file)}
    name = "cluster"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": api.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
