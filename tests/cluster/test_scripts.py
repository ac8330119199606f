"""What builds the programs: run where all is there already, so that nothing is built."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.sockets

SCRIPTS = Path(__file__).parents[2] / ".ci"
HELM = "v4.3.1"
ETCD = "3.7.0"
KUBERNETES = "v1.37.2"


def program(folder: Path, name: str, says: str) -> None:
    """Put a program into a folder that only says its version."""
    file = folder / name
    file.write_text(f"#!/bin/sh\nprintf '%s' '{says}'\n")
    file.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder for PATH with all that the scripts need but the Go toolchain."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bash", "dirname", "install", "mkdir", "mktemp", "rm", "sh", "tail"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def run(script: str, tools: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with these tools and no others."""
    return subprocess.run(
        [str(SCRIPTS / script), *arguments],
        env={**os.environ, "PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_what_is_there_is_not_built_again(tmp_path: Path, tools: Path) -> None:
    """The versions are printed."""
    program(tmp_path, "helm", HELM)
    program(tmp_path, "etcd", f"etcd Version: {ETCD}")
    program(tmp_path, "kube-apiserver", f"Kubernetes {KUBERNETES}")
    program(tmp_path, "kube-controller-manager", f"Kubernetes {KUBERNETES}")
    assert run("helm", tools, str(tmp_path)).stdout == f"{HELM}\n"
    done = run("kubernetes", tools, str(tmp_path))
    assert done.stdout == f"helm {HELM}\netcd v{ETCD}\nkubernetes {KUBERNETES}\n"


def test_another_version_is_built_anew(tmp_path: Path, tools: Path) -> None:
    """With the Go toolchain, from the module of exactly the version wanted."""
    program(tmp_path, "helm", "v4.0.0")
    program(tools, "made", HELM)
    script = f"echo $@ >{tmp_path}/asked; [ $1 = install ] && install {tools}/made $GOBIN/helm"
    (tools / "go").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "go").chmod(0o755)
    done = run("helm", tools, str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{HELM}\n")
    assert f"helm.sh/helm/v4/cmd/helm@{HELM}" in (tmp_path / "asked").read_text()


def test_all_that_is_missing_is_built_at_once(tmp_path: Path, tools: Path) -> None:
    """They share most packages. With ``node``, also what runs pods; kubectl says its version so."""
    program(tmp_path, "helm", HELM)
    program(tmp_path, "kube-apiserver", f"Kubernetes {KUBERNETES}")
    program(tmp_path, "kubectl", f"Client Version: {KUBERNETES}\nKustomize Version: v5")
    program(tools, "go", "")
    (tools / "go").write_text(f'#!/bin/sh\n[ "$1" != build ] || echo "$@" >{tmp_path}/asked\n')
    for name in ("sed", "cat", "cut"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    assert run("kubernetes", tools, str(tmp_path), "node").returncode != 0
    asked = (tmp_path / "asked").read_text().split()
    assert asked[-5:] == [
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kube-proxy",
        "k8s.io/kubernetes/cmd/kubelet",
    ]


@pytest.mark.parametrize("script", ["helm", "kubernetes"])
def test_without_go_one_sentence_says_so(script: str, tmp_path: Path, tools: Path) -> None:
    """It fails, and so does a call that names no folder."""
    done = run(script, tools, str(tmp_path))
    assert done.returncode != 0
    assert "no Go toolchain here to build helm" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "name the folder" in run(script, tools).stderr


def test_what_a_node_needs_is_put_into_a_folder(tools: Path) -> None:
    """One that is named."""
    assert "name the folder" in run("node", tools).stderr
