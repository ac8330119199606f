"""Who owns the number of pods: Helm, somebody by hand, or an autoscaler."""

from tests.cluster.admission import make_namespace
from tests.cluster.api import must
from tests.cluster.changes import ANOTHER_TAG, AUTOSCALED
from tests.cluster.lifecycle import PRODUCTION
from tests.cluster.named_secrets import make_secrets
from tests.cluster.release import Release
from tests.cluster.report import expect
from tests.cluster.stage import Stage

NAMESPACE = "autoscaled"
SCALED = 5
BY_HAND = 2


def autoscaling(stage: Stage) -> None:
    """Install with autoscaling, scale as an autoscaler does, upgrade."""
    step, release = stage.report.step, stage.release(NAMESPACE)
    values = (*stage.values(PRODUCTION), *AUTOSCALED)
    with step("helm install with autoscaling leaves the number of pods to the autoscaler"):
        make_namespace(stage.api, NAMESPACE)
        make_secrets(stage, release, PRODUCTION)
        release.install(*values)
        expect("replicas" not in release.rendered_deployment(*values)["spec"], "replicas are set")
        scale(stage, release, SCALED)
        release.wait_for_pods()
    with step(f"helm upgrade to another image leaves the {SCALED} pods that it scaled to"):
        release.upgrade(*values, f"--set=image.tag={ANOTHER_TAG}")
        expect(release.replicas() == SCALED, f"they are {release.replicas()}")
        release.wait_for_pods()
    release.uninstall()
    by_hand(stage, release)


def by_hand(stage: Stage, release: Release) -> None:
    """Scale a release by hand: Helm does not overrule that unasked, and can let go of it then."""
    step, values = stage.report.step, stage.values(PRODUCTION)
    release.install(*values)
    wanted = release.replicas()
    with step("after a scale by hand helm upgrade is refused, unless it is told to force it"):
        scale(stage, release, BY_HAND)
        expect(".spec.replicas" in release.refuses(*values), "the reason is not named")
        release.upgrade(*values, "--force-conflicts")
        expect(release.replicas() == wanted, f"they are {release.replicas()}")
    with step("autoscaling turned on after a scale by hand begins with the pods that there are"):
        scale(stage, release, SCALED)
        release.upgrade(*values, *AUTOSCALED)
        expect(release.replicas() == SCALED, f"they are {release.replicas()}")
    release.uninstall()


def scale(stage: Stage, release: Release, replicas: int) -> None:
    """Scale the broker by the way that an autoscaler takes, and ``kubectl scale``."""
    name = release.deployment()["metadata"]["name"]
    path = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}/scale"
    must(stage.api.ask("PATCH", path, {"spec": {"replicas": replicas}}))
