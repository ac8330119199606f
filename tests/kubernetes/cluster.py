"""The part of a Kubernetes cluster that the broker talks to: an API server with its JWKS.

::

    with Cluster(tmp_path) as cluster:
        source = KeySource(cluster.jwks_url, token=cluster.own_token, ...)
        accounts = ServiceAccounts("broker", cluster.issuer, Keys(source.fetch, clock), clock, 3600)
        accounts.identify(cluster.token(sub="system:serviceaccount:shop:orders", aud="broker"))

A real HTTPS server on loopback with a certificate of its own authority (``ca_file``). Only who
shows the token in ``own_token_file`` gets the keys.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from broker.kubernetes.own_token import read_own_token
from broker.secret import Secret
from tests.kubernetes.signing import SigningKey, compact, ec_key, rsa_key
from tests.redis.certificates import LOOPBACK, Authority, Pair

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "broker"
PATH = "/openid/v1/jwks"
ABSENT: Any = ...
"""In place of a claim or header parameter: leave it out."""
_DRIP_SECONDS = 0.05
_DRIPS = 100


@dataclass(frozen=True)
class Request:
    """What somebody asked the API server."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What it answers instead of its keys.

    ``drip`` sends a byte each 50 ms, until the client hangs up: of the body, or of a header.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: str = ""


class Cluster:
    """Issues tokens and publishes the keys that verify them; ``now`` gives Unix seconds."""

    def __init__(
        self, folder: Path, *, now: Callable[[], float] = time.time, issuer: str = ISSUER
    ) -> None:
        self.issuer = issuer
        self.requests: list[Request] = []
        self.published: list[SigningKey] = []
        self.own_token_file = folder / "token"
        self._now = now
        self._keys = (rsa_key(0), ec_key(0))
        self._rotations = 0
        self._answer: Answer | None = None
        self.published = list(self._keys)
        authority = Authority(folder, "cluster-ca")
        self.ca_file = authority.file
        self._server = _Server(self, authority.server(LOOPBACK))
        self.renew_own_token()

    @property
    def jwks_url(self) -> str:
        """Return where it publishes its keys."""
        return f"https://127.0.0.1:{self._server.server_port}{PATH}"

    def key(self, alg: str = "RS256") -> SigningKey:
        """Return the key that it now signs with by this algorithm."""
        return next(key for key in self._keys if key.algorithm == alg)

    def token(
        self,
        *,
        sub: object = "system:serviceaccount:shop:orders",
        aud: object = AUDIENCE,
        alg: str = "RS256",
        header: Mapping[str, object] | None = None,
        key: SigningKey | None = None,
        **changes: object,
    ) -> str:
        """Return a signed token that lives an hour, with changed claims or header parameters.

        ``key`` signs in place of the cluster's own.
        """
        signer = key or self.key(alg)
        claims = self.claims(sub=sub, aud=aud, **changes)
        return compact(
            _present({"alg": alg, "kid": signer.kid} | dict(header or {})), claims, signer
        )

    def claims(self, **changes: object) -> dict[str, object]:
        """Return the claims of a projected token, changed; an ``aud`` of text becomes a list."""
        now = int(self._now())
        aud = changes.pop("aud", AUDIENCE)
        claims: dict[str, object] = {
            "aud": [aud] if isinstance(aud, str) else aud,
            "exp": now + 3600,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid4()),
            "nbf": now,
            "sub": "system:serviceaccount:shop:orders",
        }
        return _present(claims | changes)

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with new keys from now on, and publish them; ``keep_old`` beside the old ones."""
        self._rotations += 1
        self._keys = (rsa_key(self._rotations), ec_key(self._rotations))
        self.published = [*self._keys, *(self.published if keep_old else [])]

    def own_token(self) -> Secret:
        """Return the token in the file, as a broker of this cluster reads it."""
        return read_own_token(self.own_token_file)

    def tls(self) -> ssl.SSLContext:
        """Return what such a broker verifies the API server with."""
        return ssl.create_default_context(cafile=self.ca_file)

    def renew_own_token(self) -> str:
        """Write a new token for the broker itself, as the kubelet does; return it."""
        own = self.token(sub="system:serviceaccount:canvas:broker", aud=self.issuer)
        self.own_token_file.write_text(own)
        return own

    def answer_with(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        drip: str = "",
    ) -> None:
        """Answer all requests like this, until :meth:`recover`; ``drip``: "body" or "header"."""
        self._answer = Answer(body, status, headers or {}, drip)

    def recover(self) -> None:
        """Answer with the keys again."""
        self._answer = None

    def document(self) -> bytes:
        """Return the JWKS."""
        return json.dumps({"keys": [key.jwk() for key in self.published]}).encode()

    def answer(self, request: Request) -> Answer:
        """Note a request and return the answer to it."""
        self.requests.append(request)
        if self._answer is not None:
            return self._answer
        if request.headers.get("authorization") != f"Bearer {self.own_token_file.read_text()}":
            return Answer(b'{"kind":"Status","code":401}', 401)
        return Answer(self.document()) if request.path == PATH else Answer(b"{}", 404)

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.stop()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _present(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not ABSENT}


class _Server(ThreadingHTTPServer):
    """Does TLS on the thread of each connection, so that nobody blocks the others."""

    def __init__(self, cluster: Cluster, pair: Pair) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster = cluster
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.certificate, pair.key)
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def start(self) -> None:
        """Serve on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it; a second time does nothing."""
        if not self.stopping.is_set():
            self.stopping.set()
            self.shutdown()
            self._thread.join(10)
            self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS first; a client that hangs up in the middle is none of our business."""
        request.settimeout(5)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except OSError:
            pass


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer as the cluster says."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.cluster.answer(Request(self.path, headers))
        self.send_response(answer.status)
        if answer.drip == "header":
            self.flush_headers()
            self._drip(b"X-Drip: ")
            return
        if "Content-Length" not in answer.headers and not answer.drip:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.drip == "body":
            self._drip(b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base
        """Say nothing."""

    def _drip(self, first: bytes) -> None:
        self.wfile.write(first)
        for _ in range(_DRIPS):
            if self.server.stopping.wait(_DRIP_SECONDS):
                return
            self.wfile.write(b" ")
