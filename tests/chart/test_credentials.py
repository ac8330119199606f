"""The organizations of the values are those that the broker finds in the mounted folder."""

from pathlib import Path
from typing import Any

from broker.files.credentials import read_credentials
from tests.chart.kubelet import Start
from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import EACH_FILE, EVERY_POD, changed, load

KEY = "BROKER_CREDENTIALS_DIR"
SEVERAL: dict[str, Any] = {
    "acme": {"secretName": "canvas-acme"},
    "a.b_c-1": {"secretName": "other", "consumerKey": "CONSUMER", "secretKeyKey": "SECRET_KEY"},
    "globex": {"secretName": "canvas-globex", "optional": True},
    "1": {"secretName": "one"},
}


def volumes(rendered: Rendered) -> list[Object]:
    """Return the volumes of the broker's pods."""
    return list(rendered.broker()["spec"]["template"]["spec"]["volumes"])


def sources(rendered: Rendered) -> dict[str, Object]:
    """Return the Secrets in the volume of the credentials, by their names."""
    (volume,) = (one for one in volumes(rendered) if one["name"] == "credentials")
    return {one["secret"]["name"]: one["secret"] for one in volume["projected"]["sources"]}


@EACH_FILE
def test_every_organization_is_found(path: Path, kubelet: Start) -> None:
    """In a volume laid out as the kubelet does it, without a problem."""
    values = load(path)
    _, environ = kubelet(values)
    found = read_credentials(Path(environ[KEY]))
    expected = values.get("organizations") or {"demo": {}}
    assert found.problems == ()
    assert found.organizations.keys() == expected.keys()
    assert (Path(environ[KEY]) / "..data").is_symlink()


def test_names_and_keys(kubelet: Start) -> None:
    """Any name that the broker takes, and whatever the Secret's keys are called."""
    node, environ = kubelet(changed({"organizations": SEVERAL}))
    assert read_credentials(Path(environ[KEY])).organizations.keys() == SEVERAL.keys()
    found = sources(node.rendered)
    assert found["other"]["items"] == [
        {"key": "CONSUMER", "path": "a.b_c-1/consumer"},
        {"key": "SECRET_KEY", "path": "a.b_c-1/secret-key"},
    ]
    assert [name for name, one in found.items() if one.get("optional")] == ["canvas-globex"]


def test_several_organizations_may_share_a_secret(kubelet: Start) -> None:
    """With keys of their own in it."""
    keys = {"secretName": "all", "consumerKey": "a.consumer", "secretKeyKey": "a.secret-key"}
    _, environ = kubelet(
        changed({"organizations": {"acme": keys, "globex": {"secretName": "all"}}})
    )
    assert read_credentials(Path(environ[KEY])).organizations.keys() == {"acme", "globex"}


def test_an_optional_secret_may_be_missing(kubelet: Start) -> None:
    """Its folder is not there then, and the others are."""
    _, environ = kubelet(changed({"organizations": SEVERAL}))
    folder = Path(environ[KEY])
    (folder / "globex").unlink()
    found = read_credentials(folder)
    assert found.organizations.keys() == SEVERAL.keys() - {"globex"}
    assert found.problems == ()


@EACH_FILE
def test_secrets_are_for_the_group_alone(path: Path) -> None:
    """And for nobody to write: the group is the pod's ``fsGroup``."""
    rendered = render(load(path))
    assert rendered.broker()["spec"]["template"]["spec"]["securityContext"]["fsGroup"]
    for volume in volumes(rendered):
        for kind in volume.keys() & {"secret", "projected"}:
            if not volume["name"].startswith("extra"):
                assert volume[kind]["defaultMode"] == 0o440, volume["name"]


def test_the_keys_of_the_demo_are_of_the_right_form(kubelet: Start) -> None:
    """Its Secret is the chart's own, and obviously made up."""
    node, environ = kubelet(EVERY_POD)
    assert read_credentials(Path(environ[KEY])).problems == ()
    assert [one["metadata"]["name"] for one in node.rendered.of("Secret")] == list(
        sources(node.rendered)
    )
