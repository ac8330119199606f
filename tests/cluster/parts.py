"""What is played on the cluster, in this order."""

from tests.cluster.admission import expect_admitted, expect_refused, make_namespace, try_pod
from tests.cluster.as_its_pod import as_its_pod
from tests.cluster.autoscaling import autoscaling
from tests.cluster.crds import KINDS, define
from tests.cluster.lifecycle import lifecycle
from tests.cluster.names import long_names
from tests.cluster.report import expect
from tests.cluster.samples import decent, privileged, rooted
from tests.cluster.stage import Stage
from tests.cluster.values_files import values_files

TRIED = "tried"


def kinds(stage: Stage) -> None:
    """Let the cluster know the kinds of the Prometheus operator."""
    with stage.report.step(f"{' and '.join(KINDS)} are made known, as their operator would"):
        define(stage.api)


def admission(stage: Stage) -> None:
    """Show that Pod Security admission judges: else nothing that is admitted means anything."""
    step, api = stage.report.step, stage.api
    with step("in a namespace under Pod Security restricted, a privileged pod is refused"):
        make_namespace(api, TRIED)
        expect_refused(api, TRIED, privileged(), "privileged")
    with step("so is one that may run as root; one without a fault is admitted"):
        expect_refused(api, TRIED, rooted(), "runAsNonRoot")
        expect_admitted(api, TRIED, decent())
    with step("where nothing is enforced the privileged one is admitted: it was Pod Security"):
        expect(try_pod(api, "default", privileged()).status == 201, "it is refused here as well")


PARTS = (kinds, admission, lifecycle, autoscaling, values_files, long_names, as_its_pod)
