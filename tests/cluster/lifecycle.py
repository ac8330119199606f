"""A release's life with production values: install, upgrade, refusal, rollback, uninstall."""

from typing import Any

from tests.cluster.admission import make_namespace
from tests.cluster.changes import ANOTHER_TAG, CHANGES, DIGEST, INVALID, REPLICAS
from tests.cluster.inventory import inventory
from tests.cluster.named_secrets import make_secrets
from tests.cluster.release import Release, expect_unchanged, owners, versions
from tests.cluster.report import expect, wait_for
from tests.cluster.stage import Stage

PRODUCTION = "values-production.yaml"
NAMESPACE = "production"


def lifecycle(stage: Stage) -> None:
    """Install, upgrade, refuse, roll back, uninstall."""
    step, release = stage.report.step, stage.release(NAMESPACE)
    with step(f"namespace {NAMESPACE} is made, restricted, with the Secrets of {PRODUCTION}"):
        make_namespace(stage.api, NAMESPACE)
        make_secrets(stage, release, PRODUCTION)
        before = inventory(stage.api)
    install(stage, release)
    upgrade(stage, release)
    refuse(stage, release)
    roll_back(stage, release)
    with step("helm uninstall leaves what was there before, and nothing else"):
        release.uninstall()
        wait_for(lambda: not left_by(stage, before), lambda: f"left: {left_by(stage, before)}")


def install(stage: Stage, release: Release) -> None:
    """Install, and look at what the API server makes of it."""
    step = stage.report.step
    with step(f"helm install with {PRODUCTION}, without a warning"):
        release.install(*stage.values(PRODUCTION))
    objects = release.objects()
    with step(f"its {len(objects)} objects are there, each applied server-side: {kinds(objects)}"):
        for title, thing in objects.items():
            expect(("helm", "Apply") in owners(thing), f"{title}: {owners(thing)}")
    with step(f"admitted without a warning: pods of {', '.join(release.pod_templates())}"):
        release.admit_all()
    with step("the controllers have made as many pods as wanted: each passed admission"):
        release.wait_for_pods()


def upgrade(stage: Stage, release: Release) -> None:
    """Upgrade to the same values, and to others."""
    step, values = stage.report.step, stage.values(PRODUCTION)
    with step("helm upgrade with the same values changes no object"):
        expect_unchanged(release, *values)
    with step(f"helm upgrade to {REPLICAS} replicas, another image and one more caller"):
        release.upgrade(*values, *CHANGES)
        expect(release.replicas() == REPLICAS, "the replicas are others")
        expect(ANOTHER_TAG in release.image(), f"the image is {release.image()}")
        expect(DIGEST in release.callers(), "the caller is not there")
    with step("its pod templates are admitted without a warning; all pods are of the new image"):
        release.admit_all()
        release.wait_for_pods()


def refuse(stage: Stage, release: Release) -> None:
    """Try values that must not pass: nothing in the cluster changes."""
    for sentence, (values, word) in INVALID.items():
        with stage.report.step(f"helm upgrade is refused, with nothing changed: {sentence}"):
            before = versions(release.objects()), release.revision()
            said = release.refuses(*stage.values(PRODUCTION), *values)
            expect(word in said, f"it says: {said}")
            expect(before == (versions(release.objects()), release.revision()), "it changed")


def roll_back(stage: Stage, release: Release) -> None:
    """Go back to the first revision."""
    with stage.report.step("helm rollback brings back replicas, image and callers, and their pods"):
        release.rollback(1)
        expect(ANOTHER_TAG not in release.image(), f"the image is {release.image()}")
        expect(DIGEST not in release.callers(), "the caller is still there")
        expect(release.replicas() != REPLICAS, "the replicas stay")
        release.wait_for_pods()


def left_by(stage: Stage, before: set[str]) -> list[str]:
    """Return what is there and was not, and what was and is not."""
    return sorted(inventory(stage.api) ^ before)


def kinds(objects: dict[str, Any]) -> str:
    """Return the kinds of objects, each once."""
    return ", ".join(sorted({title.split()[0] for title in objects}))
