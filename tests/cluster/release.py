"""One release of the chart, and what the cluster holds of it."""

from pathlib import Path
from typing import Any

from tests.cluster.admission import expect_admitted, templates
from tests.cluster.api import Api, collection
from tests.cluster.helm import Helm, objects
from tests.cluster.report import expect, wait_for

COMPONENT = "app.kubernetes.io/component"
BROKER = "broker"
CALLERS = "callers.toml"
TIMEOUT = "180s"


class Release:
    """A release by name, in a namespace of its own."""

    def __init__(
        self,
        api: Api,
        helm: Helm,
        chart: Path,
        namespace: str,
        name: str,
        *,
        timeout: str = TIMEOUT,
    ) -> None:
        self.helm = helm
        self.namespace = namespace
        self._api = api
        self._chart = chart
        self._name = name
        self._wait = ("--wait", f"--timeout={timeout}")

    def install(self, *values: str) -> None:
        """Install it, and wait until it is ready."""
        self.helm.do("install", self._name, str(self._chart), *self._wait, *values)

    def upgrade(self, *values: str) -> None:
        """Upgrade it to these values and no others, and wait until that is done."""
        self.helm.do(
            "upgrade", self._name, str(self._chart), *self._wait, "--reset-values", *values
        )

    def refuses(self, *values: str) -> str:
        """Try an upgrade that must not work; return what Helm says."""
        done = self.helm.run("upgrade", self._name, str(self._chart), "--reset-values", *values)
        expect(done.code, "the upgrade was taken")
        return done.error

    def rollback(self, revision: int) -> None:
        """Go back to a revision, and wait until that is done."""
        self.helm.do("rollback", self._name, str(revision), *self._wait)

    def uninstall(self) -> None:
        """Take it away."""
        self.helm.do("uninstall", self._name, *self._wait)

    def tests(self) -> list[Any]:
        """Return the pods of its tests."""
        return self.helm.hooks(self._name)

    def test(self) -> None:
        """Have Helm make the pods of its tests, which nothing runs in."""
        if self.tests():
            self.helm.do("test", self._name, "--timeout=60s")

    def revision(self) -> int:
        """Return the number of the revision in force."""
        return self.helm.revision(self._name)

    def objects(self) -> dict[str, Any]:
        """Return its objects as the API server holds them now, by kind and name."""
        rendered = self.helm.manifest(self._name)
        return {self._title(one): self._held(one) for one in rendered}

    def of_kind(self, kind: str) -> list[Any]:
        """Return its objects of a kind."""
        return [one for title, one in self.objects().items() if title.startswith(f"{kind} ")]

    def pod_templates(self) -> dict[str, Any]:
        """Return every pod template, those of the tests' pods among them."""
        return templates([*self.objects().values(), *self.tests()])

    def admit_all(self) -> None:
        """Hold each pod template to be admitted without a warning."""
        for template in self.pod_templates().values():
            expect_admitted(self._api, self.namespace, template)

    def rendered(self, *values: str) -> list[Any]:
        """Return what it would consist of with these values, hooks included."""
        done = self.helm.do("template", self._name, str(self._chart), *values)
        return objects(done.out)

    def deployment(self) -> Any:
        """Return the broker's Deployment."""
        return the_broker(self.of_kind("Deployment"))

    def rendered_deployment(self, *values: str) -> Any:
        """Return the broker's Deployment as it would be with these values."""
        return the_broker(self.rendered(*values))

    def callers(self) -> str:
        """Return the callers file."""
        files = [one["data"] for one in self.of_kind("ConfigMap")]
        (found,) = [data[CALLERS] for data in files if CALLERS in data]
        return str(found)

    def replicas(self) -> int:
        """Return how many pods of the broker are wanted."""
        return int(self.deployment()["spec"]["replicas"])

    def image(self) -> str:
        """Return the image of the broker."""
        return image_of(self.deployment()["spec"]["template"])

    def wait_for_pods(self) -> None:
        """Wait until the broker's pods are as many as wanted, and all of the image in force."""
        deployment = self.deployment()
        wanted = [image_of(deployment["spec"]["template"])] * deployment["spec"]["replicas"]

        def images() -> list[str]:
            return [image_of(pod) for pod in self.pods() if self.is_broker(pod, deployment)]

        wait_for(lambda: images() == wanted, lambda: f"pods of {images()}")

    def is_broker(self, pod: Any, deployment: Any) -> bool:
        """Tell whether a pod is one of a Deployment's."""
        labels = deployment["spec"]["selector"]["matchLabels"].items()
        return bool(labels <= pod["metadata"].get("labels", {}).items())

    def pods(self) -> list[Any]:
        """Return the pods of the namespace."""
        found: list[Any] = self._api.get(f"api/v1/namespaces/{self.namespace}/pods")["items"]
        return found

    def _title(self, thing: Any) -> str:
        return f"{thing['kind']} {thing['metadata']['name']}"

    def _held(self, thing: Any) -> Any:
        inside = "" if thing["kind"].startswith("Cluster") else self.namespace
        return self._api.get(f"{collection(thing, inside)}/{thing['metadata']['name']}")


def expect_unchanged(release: Release, *values: str) -> None:
    """Hold an upgrade to the values that are in force already to change no object."""
    before = versions(release.objects())
    release.upgrade(*values)
    now = versions(release.objects())
    changed = sorted(title for title in before | now if before.get(title) != now.get(title))
    expect(not changed, f"changed: {', '.join(changed)}")


def the_broker(things: list[Any]) -> Any:
    """Return the broker's Deployment among other objects."""
    found = [one for one in things if one["kind"] == "Deployment"]
    (broker,) = [one for one in found if one["metadata"]["labels"].get(COMPONENT) == BROKER]
    return broker


def image_of(pod: Any) -> str:
    """Return the image of the first container of a pod or template."""
    return str(pod["spec"]["containers"][0]["image"])


def versions(objects: dict[str, Any]) -> dict[str, str]:
    """Return what changes with each change of an object, and not with its status."""
    found = {title: one["metadata"] for title, one in objects.items()}
    return {t: str(m.get("generation", m["resourceVersion"])) for t, m in found.items()}


def owners(thing: Any) -> set[tuple[str, str]]:
    """Return who manages fields of an object, each with the way: Apply or Update."""
    return {(one["manager"], one["operation"]) for one in thing["metadata"]["managedFields"]}
