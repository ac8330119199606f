"""The Pod Security Standard *restricted*, over the template of a pod: a sentence for each breach.

Written from the list of controls that Kubernetes publishes, baseline and restricted; containers
that run before the others, beside them or for debugging are judged alike.
"""

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    | {"projected", "secret"}
)
SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
APPARMOR = frozenset({"RuntimeDefault", "Localhost"})
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SELINUX = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
HANDLERS = ("httpGet", "tcpSocket")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def containers(spec: Spec) -> list[Spec]:
    """Return every container of a pod."""
    return [one for kind in CONTAINERS for one in spec.get(kind) or ()]


def breaches(template: dict[str, Any]) -> list[str]:
    """Return what *restricted* would refuse in the template of a pod."""
    spec = template["spec"]
    pod = spec.get("securityContext") or {}
    found = [*_node(spec), *_volumes(spec), *_sysctls(pod), *_shared(pod, "the pod")]
    found += _apparmor_annotations(template.get("metadata") or {})
    for container in containers(spec):
        own = container.get("securityContext") or {}
        said = [*_alone(own), *_shared(own, "it"), *_inherited(pod, own), *_capabilities(own)]
        said += [*_ports(container), *_hosts(container)]
        found += [f"{container['name']}: {one}" for one in said]
    return found


def _node(spec: Spec) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"{name} is set"


def _volumes(spec: Spec) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kind}"


def _sysctls(pod: Spec) -> Iterator[str]:
    for one in pod.get("sysctls") or ():
        if one["name"] not in SYSCTLS:
            yield f"sysctl {one['name']} is set"


def _apparmor_annotations(metadata: Spec) -> Iterator[str]:
    for name, value in (metadata.get("annotations") or {}).items():
        good = value == "runtime/default" or value.startswith("localhost/")
        if name.startswith(APPARMOR_ANNOTATION) and not good:
            yield f"annotation {name} is {value}"


def _shared(context: Spec, whose: str) -> Iterator[str]:
    """Judge what pod and container may both say, each for itself."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{whose} is a host process"
    profile = context.get("appArmorProfile")
    if profile and profile.get("type") not in APPARMOR:
        yield f"the AppArmor profile of {whose} is {profile.get('type')}"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX or selinux.get("user") or selinux.get("role"):
        yield f"the SELinux options of {whose} are {selinux}"
    if context.get("runAsUser") == 0:
        yield f"{whose} runs as user 0"


def _alone(own: Spec) -> Iterator[str]:
    """Judge what only a container can say."""
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("procMount", "Default") != "Default":
        yield f"procMount is {own['procMount']}"


def _inherited(pod: Spec, own: Spec) -> Iterator[str]:
    """Judge what a container has of its pod unless it says so itself."""
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    if profile.get("type") not in SECCOMP:
        yield f"its seccomp profile is {profile.get('type')}"


def _capabilities(own: Spec) -> Iterator[str]:
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "does not drop ALL capabilities"
    for one in capabilities.get("add") or ():
        if one != "NET_BIND_SERVICE":
            yield f"adds the capability {one}"


def _ports(container: Spec) -> Iterator[str]:
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"takes the port {port['hostPort']} of the host"


def _hosts(container: Spec) -> Iterator[str]:
    """Judge probes and hooks that name a host, through which the kubelet could be misled."""
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(name) for name in PROBES] + list(lifecycle.values())
    for handler in filter(None, handlers):
        for kind in HANDLERS:
            host = (handler.get(kind) or {}).get("host")
            if host:
                yield f"a probe or hook names the host {host}"
