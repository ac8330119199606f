"""Every file of values that comes with the chart, installed once and taken away again."""

from tests.cluster.admission import make_namespace
from tests.cluster.inventory import inventory
from tests.cluster.lifecycle import left_by
from tests.cluster.named_secrets import make_secrets
from tests.cluster.release import expect_unchanged
from tests.cluster.report import expect, wait_for
from tests.cluster.stage import Stage

DEMO = "values-demo.yaml"
IN_CI = "ci/*-values.yaml"


def values_files(stage: Stage) -> None:
    """Install and uninstall each, in a namespace of its own."""
    files = [stage.chart / DEMO, *sorted(stage.chart.glob(IN_CI))]
    expect(len(files) > 1, f"there is no {IN_CI}")
    for number, file in enumerate(files):
        install_once(stage, str(file.relative_to(stage.chart)), f"values-{number}")


def install_once(stage: Stage, file: str, namespace: str) -> None:
    """Install, have its pods admitted and those of its tests made, upgrade, uninstall."""
    release, values = stage.release(namespace), stage.values(file)
    with stage.report.step(f"{file}: installed, admitted, the same again, gone; nothing left"):
        make_namespace(stage.api, namespace)
        make_secrets(stage, release, file)
        before = inventory(stage.api)
        release.install(*values)
        release.admit_all()
        expect_unchanged(release, *values)
        release.test()
        release.uninstall()
        wait_for(lambda: not left_by(stage, before), lambda: f"left: {left_by(stage, before)}")
