"""The first try: an emulator for Canvas, Valkey for Redis, and loud about what it is."""

from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from broker.cli import command
from tests.chart.kubelet import Kubelet, Read
from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import DEMO, EVERY_POD, MINIMAL, changed, load


def container(rendered: Rendered, component: str) -> Object:
    """Return the only container of a component."""
    (found,) = rendered.one("Deployment", component)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_file_for_a_first_try_needs_nothing_else(settings: Read) -> None:
    """No Secret that somebody would have to make, and no address."""
    rendered = render(load(DEMO))
    settings(load(DEMO))
    made = {one["metadata"]["name"] for one in rendered.of("Secret") + rendered.of("ConfigMap")}
    for template in rendered.of("Deployment"):
        for volume in template["spec"]["template"]["spec"].get("volumes", ()):
            for source in volume.get("projected", {}).get("sources", ()):
                named = (source.get("secret") or source.get("configMap") or {}).get("name")
                assert named in {*made, "kube-root-ca.crt", None}


def test_canvas_and_redis_are_the_services_of_the_chart(settings: Read) -> None:
    """By names that are there, on the ports that they have."""
    found, rendered = settings(EVERY_POD), render(EVERY_POD)
    canvas, redis = urlsplit(found.canvas_url), urlsplit(found.redis_url.reveal())
    for url, component in ((canvas, "canvas-emulator"), (redis, "valkey")):
        service = rendered.one("Service", component)
        host = str(url.hostname).split(".")[0]
        assert host == service["metadata"]["name"]
        assert url.port in {port["port"] for port in service["spec"]["ports"]}
    assert found.canvas_allow_http


def test_the_emulator_takes_its_command(tmp_path: Path) -> None:
    """The arguments are those of ``broker emulator``, and its keys are where they say."""
    rendered = render(EVERY_POD)
    emulator = container(rendered, "canvas-emulator")
    node = Kubelet(tmp_path, rendered, lambda path: b"")
    node.start(rendered.one("Deployment", "canvas-emulator")["spec"]["template"]["spec"], emulator)
    here = node.relocation([mount["mountPath"] for mount in emulator["volumeMounts"]])
    name, *arguments = (here(word) for word in emulator["args"])
    given = command(name).make_context(name, arguments).params
    assert given["port"] == emulator["ports"][0]["containerPort"]
    assert given["host"] in {"0.0.0.0", "::"}
    assert (Path(given["credentials_dir"]) / "demo" / "consumer").read_text()


def test_valkey_keeps_nothing_and_fits_its_memory() -> None:
    """Its data stay below what its container may have, with room for the server itself."""
    valkey = container(render(EVERY_POD), "valkey")
    words = [*valkey.get("command", ()), *valkey["args"]]
    options = dict(pairwise(words))
    assert options["--save"] == ""
    assert options["--appendonly"] == "no"
    room = int(valkey["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert int(options["--maxmemory"].removesuffix("mb")) <= room * 0.7


def test_one_of_each_and_never_two() -> None:
    """Two emulators would not know each other's tokens, two Valkeys not each other's records."""
    for component in ("canvas-emulator", "valkey"):
        spec = render(EVERY_POD).one("Deployment", component)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_valkey_runs_as_the_user_of_its_image() -> None:
    """Who owns the folder of its data there."""
    spec = render(EVERY_POD).one("Deployment", "valkey")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsUser"] == 999
    assert spec["securityContext"]["runAsNonRoot"] is True


def test_it_says_so_loudly() -> None:
    """On every object, and at the head of the notes; without it nowhere."""
    rendered = render(EVERY_POD)
    assert "DEMO" in rendered.notes.split("WHAT IS LEFT")[0]
    for one in rendered.objects:
        assert "demo" in str(one["metadata"]["labels"] | one["metadata"].get("annotations", {}))
    assert "DEMO" not in render(MINIMAL).notes


def test_nothing_of_it_is_there_unasked() -> None:
    """One Deployment, a Service for callers and one for operators, no Secret."""
    rendered = render(changed({}))
    assert [len(rendered.of(kind)) for kind in ("Deployment", "Service", "Secret")] == [1, 2, 0]
