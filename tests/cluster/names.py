"""Names as long as Helm lets them be."""

from tests.cluster.admission import make_namespace
from tests.cluster.named_secrets import make_secrets
from tests.cluster.stage import Stage
from tests.cluster.values_files import DEMO

NAMESPACE = "long-names"
LONGEST = "a-release-with-the-longest-name-that-helm-still-takes"


def long_names(stage: Stage) -> None:
    """Install under the longest name of a release; the API server judges what is made of it."""
    release = stage.release(NAMESPACE, LONGEST)
    with stage.report.step(f"helm install under a name of {len(LONGEST)} letters, and uninstall"):
        make_namespace(stage.api, NAMESPACE)
        make_secrets(stage, release, DEMO)
        release.install(*stage.values(DEMO))
        release.wait_for_pods()
        release.test()
        release.uninstall()
