"""Where a pod's files and variables come from: Secrets, ConfigMaps, tokens and the pod itself."""

import base64
from typing import Any

from tests.cluster.accounts import request_token
from tests.cluster.api import Api

Files = dict[str, bytes]


class Sources:
    """What the cluster holds for one pod."""

    def __init__(self, api: Api, pod: Any) -> None:
        self._api = api
        self._pod = pod
        self._namespace = pod["metadata"]["namespace"]

    def files(self, volume: Any) -> Files:
        """Return the files of a volume, by their paths; an empty one has none."""
        found: Files = {}
        for source in volume.get("projected", {}).get("sources", [volume]):
            found |= self._files(source)
        return found

    def value(self, source: Any) -> str:
        """Return the value of a variable that stands elsewhere."""
        ((kind, wanted),) = source.items()
        if kind == "fieldRef":
            return self._field(wanted["fieldPath"])
        held = self._held("secrets" if kind == "secretKeyRef" else "configmaps", wanted["name"])
        return held[wanted["key"]].decode()

    def _files(self, source: Any) -> Files:
        if secret := source.get("secret"):
            name = secret.get("secretName") or secret["name"]
            return chosen(self._held("secrets", name), secret)
        if config_map := source.get("configMap"):
            return chosen(self._held("configmaps", config_map["name"]), config_map)
        if token := source.get("serviceAccountToken"):
            return {token["path"]: self._token(token.get("audience", "")).encode()}
        return {}

    def _token(self, audience: str) -> str:
        account = self._pod["spec"]["serviceAccountName"]
        return request_token(self._api, self._namespace, account, audience)

    def _field(self, path: str) -> str:
        found: Any = self._pod
        for part in path.split("."):
            found = found.get(part, {})
        return str(found or "")

    def _held(self, kind: str, name: str) -> Files:
        held = self._api.get(f"api/v1/namespaces/{self._namespace}/{kind}/{name}").get("data", {})
        if kind == "secrets":
            return {key: base64.b64decode(value) for key, value in held.items()}
        return {key: value.encode() for key, value in held.items()}


def chosen(held: Files, source: Any) -> Files:
    """Return the keys that a volume wants, under the paths that it gives them; or all of them."""
    if "items" not in source:
        return held
    return {one["path"]: held[one["key"]] for one in source["items"]}
