"""What containerd, its network plugins, the kubelet and kube-proxy are told in files."""

import json
import shutil
from pathlib import Path

from tests.node.place import ADDRESS, CGROUP, CONTAINERD, PODS, Place

SANDBOX_IMAGE = "localhost/node-tools:1"
PLUGINS = "/usr/lib/cni"
MINIMUM = {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}
UNUSED = [
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
]


def containerd(place: Place) -> str:
    """Return containerd's configuration.

    ``restrict_oom_score_adj`` is for machines whose root lacks CAP_SYS_RESOURCE: no sandbox could
    start there.
    """
    return f"""version = 2
disabled_plugins = {json.dumps(UNUSED)}
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{shutil.which("runc")}"
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{place.folder / "cni"}"
"""


def network() -> dict[str, object]:
    """Return how pods get their interface: a pair of ends and a route, no bridge."""
    ranges = [[{"subnet": PODS}]]
    addresses = {"type": "host-local", "dataDir": "/run/cni-addresses", "ranges": ranges}
    routes = {"routes": [{"dst": "0.0.0.0/0"}]}
    pair = {"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": addresses | routes}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [pair]}


def kubelet(place: Place) -> dict[str, object]:
    """Return the kubelet's configuration; what it does not name is at its default."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "evictionHard": MINIMUM,
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "resolvConf": str(place.folder / "resolv.conf"),
        "volumePluginDir": str(place.folder / "volume-plugins"),
    }


def proxy(kubeconfig: Path) -> dict[str, object]:
    """Return kube-proxy's configuration; the host's connection tracking is left as it is."""
    untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": ADDRESS,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": PODS,
        "conntrack": untouched | {"tcpCloseWaitTimeout": "0s"},
        "mode": "nftables",
    }


def write(place: Place, proxy_kubeconfig: Path) -> None:
    """Write all of it into the node's folder; JSON is YAML."""
    (place.folder / "cni").mkdir(exist_ok=True)
    (place.folder / "cni/pods.conflist").write_text(json.dumps(network()))
    (place.folder / "containerd.toml").write_text(containerd(place))
    (place.folder / "kubelet.yaml").write_text(json.dumps(kubelet(place)))
    (place.folder / "proxy.yaml").write_text(json.dumps(proxy(proxy_kubeconfig)))
