"""Service accounts of the cluster, and the tokens that it issues for them."""

from tests.cluster.api import Api, must

EXPIRY = 600


def make_account(api: Api, namespace: str, name: str) -> None:
    """Make a service account."""
    thing = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    must(api.create(thing, namespace))


def request_token(api: Api, namespace: str, name: str, audience: str = "") -> str:
    """Have the API server issue a token, as the kubelet does for a projected volume.

    Without an audience it is for the API server itself.
    """
    spec: dict[str, object] = {"expirationSeconds": EXPIRY}
    if audience:
        spec["audiences"] = [audience]
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    return str(must(api.ask("POST", path, body)).body["status"]["token"])
