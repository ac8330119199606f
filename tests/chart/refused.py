"""Values that the chart must refuse, with words that the user must read; and their neighbours.

Changes are made to the minimal values, unless a row says otherwise.
"""

from typing import Any

from tests.chart.samples import DIGEST, OTHER_DIGEST

Changes = dict[str, Any]

BOTH = {"podDisruptionBudget.minAvailable": 1, "podDisruptionBudget.maxUnavailable": 1}
SENTINEL = {"redis.url": "redis+sentinel://a:26379,b:26379/mymaster"}
ACCOUNTS = {"serviceAccountCallers.enabled": True}
ACCOUNT = {"serviceAccount": "shop:billing", "organizations": ["acme"]}
KEY = {"keySha256": [DIGEST], "organizations": ["acme"]}
TEST = {"helmTest.enabled": True, "helmTest.serviceAccountCaller": True, **ACCOUNTS}
NO_CPU = {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}
TLS = {"tls.existingSecret": "tls"}
MUTUAL = {**TLS, "tls.clientCaSecret": "ca", "tls.clientCerts": "required"}
VALKEY = {"redis.url": "", "valkey.enabled": True, "valkey.besideRealOrganizations": True}
VARIABLE = {"name": "TZ", "value": "UTC"}

CONTRADICTIONS: list[tuple[Changes, tuple[str, ...]]] = [
    ({"organizations": {}}, ("organizations", "demo.enabled")),
    ({"demo.enabled": True}, ("organizations", "demo.enabled")),
    ({"redis.url": ""}, ("redis.url", "redis.existingSecret.name", "valkey.enabled")),
    ({"valkey.enabled": True}, ("redis.url", "valkey.enabled")),
    (
        {"redis.url": "", "valkey.enabled": True},
        ("organizations", "redis.url", "valkey.besideRealOrganizations"),
    ),
    ({"redis.existingSecret.name": "x"}, ("redis.url", "redis.existingSecret.name")),
    ({"callers": {}}, ("callers", "broker key", "existingCallers.configMap")),
    ({"existingCallers.configMap": "mine"}, ("callers", "existingCallers.configMap")),
    ({"existingCallers.configMaps": ["mine"]}, ("callers", "existingCallers.configMap")),
    ({"callers.x": {"organizations": ["*"]}}, ("callers.x", "keySha256", "serviceAccount")),
    (
        {"callers.x": {"keySha256": [], "organizations": ["*"]}},
        ("callers", "x"),
    ),
    ({"callers.x": ACCOUNT}, ("callers.x.serviceAccount", "serviceAccountCallers.enabled")),
    (
        {"callers.billing.organizations": ["globex"]},
        ("callers.billing.organizations", "globex", "acme"),
    ),
    ({"callers.x": KEY}, ("billing", "x", DIGEST)),
    ({"callers.x": {**KEY, "keySha256": DIGEST}}, ("billing", "x", DIGEST)),
    ({**ACCOUNTS, "callers.x": ACCOUNT, "callers.y": ACCOUNT}, ("x", "y", "shop:billing")),
    (
        {**ACCOUNTS, "serviceAccountCallers.audience": "https://kubernetes.default.svc"},
        ("serviceAccountCallers.audience", "API server"),
    ),
    ({"redis.url": "redis://:secret@redis:6379"}, ("redis.url", "redis.password.existingSecret")),
    ({"redis.url": "rediss://a:b@redis"}, ("redis.url", "redis.password.existingSecret")),
    ({"redis.url": "redis://redis?password=x"}, ("redis.url", "redis.password.existingSecret")),
    ({"redis.url": "http://redis"}, ("redis.url", "rediss://")),
    ({"redis.url": "unix:///var/run/redis"}, ("redis.url", "rediss://")),
    ({"redis.url": "redis://redis:6379/x"}, ("redis.url", "redis://host:port/database")),
    ({"redis.url": "redis+sentinel://a:1"}, ("redis.url", "redis+sentinel://host:port")),
    ({"redis.url": "redis+sentinel://a/b"}, ("redis.url", "redis+sentinel://host:port")),
    ({"redis.tls.caSecret": "ca"}, ("redis.tls", "rediss://")),
    ({"redis.tls.clientSecret": "pair"}, ("redis.tls", "rediss://")),
    ({"redis.sentinel.username": "x"}, ("redis.sentinel", "redis+sentinel://")),
    ({"redis.sentinel.password.existingSecret": "x"}, ("redis.sentinel", "redis+sentinel://")),
    ({**VALKEY, "redis.password.existingSecret": "x"}, ("valkey.enabled", "redis.password")),
    ({**VALKEY, "redis.tls.caSecret": "x"}, ("valkey.enabled", "redis.tls")),
    ({"canvas.url": "http://canvas.example/api"}, ("canvas.url", "https")),
    ({"tls.clientCaSecret": "ca"}, ("tls.clientCaSecret", "tls.existingSecret")),
    ({**TLS, "tls.clientCerts": "required"}, ("tls.clientCerts", "tls.clientCaSecret")),
    ({**MUTUAL, **TEST}, ("helmTest.enabled", "tls.clientCerts")),
    (
        {**MUTUAL, "serviceMonitor.enabled": True},
        ("serviceMonitor.tlsConfig", "tls.clientCerts", "management.tls"),
    ),
    (
        {"networkPolicy.enabled": True, "serviceMonitor.enabled": True},
        ("networkPolicy.metricsFrom", "serviceMonitor.enabled"),
    ),
    (
        {"settings.BROKER_MANAGEMENT_BIND": "0.0.0.0:9000"},
        ("BROKER_MANAGEMENT_BIND", "management.enabled"),
    ),
    ({"settings.BROKER_WORKERS": 3}, ("BROKER_WORKERS", "value workers")),
    ({"settings.BROKER_REDIS_URL": "redis://x"}, ("BROKER_REDIS_URL", "redis.url")),
    ({"settings.BROKER_REDIS_PASSWORD": "x"}, ("BROKER_REDIS_PASSWORD", "redis.password")),
    ({"settings.BROKER_CONSUMER": "x"}, ("BROKER_CONSUMER", "organizations")),
    ({"settings.BROKER_SECRET_KEY_FILE": "x"}, ("BROKER_SECRET_KEY_FILE", "organizations")),
    ({"settings.BROKER_CALLER_AUTH": "none"}, ("BROKER_CALLER_AUTH", "callers")),
    ({"settings.BROKER_CANVAS_PROXY": "x"}, ("BROKER_CANVAS_PROXY", "canvas.proxy")),
    (
        {"settings.BROKER_KUBERNETES_AUDIENCE": "x"},
        ("BROKER_KUBERNETES_AUDIENCE", "serviceAccountCallers.audience"),
    ),
    ({"extraEnv": [VARIABLE, VARIABLE]}, ("TZ", "twice")),
    ({"extraEnv": [{"name": "BROKER_THREADS", "value": "1"}]}, ("BROKER_THREADS", "threads")),
    (
        {
            "settings.BROKER_KEEP_WARM": 60,
            "extraEnv": [{"name": "BROKER_KEEP_WARM", "value": "60"}],
        },
        ("BROKER_KEEP_WARM", "twice"),
    ),
    ({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}, ("extraVolumes", "tmp")),
    ({"extraContainers": [{"name": "broker"}]}, ("extraContainers", "broker")),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, ("commonLabels", "app.kubernetes.io/name")),
    ({"podLabels": {"app.kubernetes.io/instance": "x"}}, ("podLabels",)),
    ({"livenessProbe.failureThreshold": 3}, ("livenessProbe", "30")),
    ({"shutdown.gracefulTimeoutSeconds": 19}, ("shutdown.gracefulTimeoutSeconds", "20")),
    (BOTH, ("podDisruptionBudget", "minAvailable", "maxUnavailable")),
    ({"podDisruptionBudget.minAvailable": 2}, ("podDisruptionBudget.minAvailable", "drain")),
    ({"podDisruptionBudget.minAvailable": "100%"}, ("podDisruptionBudget.minAvailable", "drain")),
    ({"podDisruptionBudget.maxUnavailable": 0}, ("podDisruptionBudget.maxUnavailable", "drain")),
    (
        {"autoscaling.enabled": True, "podDisruptionBudget.minAvailable": 2},
        ("podDisruptionBudget.minAvailable",),
    ),
    ({"updateStrategy.rollingUpdate.maxSurge": 0}, ("maxSurge", "maxUnavailable")),
    (
        {"autoscaling.enabled": True, "autoscaling.minReplicas": 7},
        ("autoscaling.minReplicas", "autoscaling.maxReplicas"),
    ),
    (
        {"autoscaling.enabled": True, "autoscaling.targetCPUUtilizationPercentage": None},
        ("targetCPUUtilizationPercentage", "targetMemoryUtilizationPercentage"),
    ),
    ({"autoscaling.enabled": True, "resources.requests.cpu": None}, ("resources.requests.cpu",)),
    (
        {"autoscaling.enabled": True, "listener.resources.requests.cpu": None},
        ("listener.resources.requests.cpu",),
    ),
    ({"service.nodePort": 30080}, ("service.nodePort", "service.type")),
    (
        {"prometheusRule.disabled": ["CanvasTokenBrokerDwon"]},
        ("CanvasTokenBrokerDwon", "CanvasTokenBrokerDown"),
    ),
    (
        {"helmTest.enabled": True, **ACCOUNTS},
        ("helmTest.existingSecret", "helmTest.serviceAccountCaller"),
    ),
    (
        {"helmTest.enabled": True, "helmTest.serviceAccountCaller": True},
        ("helmTest.existingSecret", "serviceAccountCallers.enabled"),
    ),
    (
        {"helmTest.serviceAccountCaller": True},
        ("helmTest.serviceAccountCaller", "helmTest.enabled"),
    ),
    (
        {**TEST, "helmTest.existingSecret": "x"},
        ("helmTest.serviceAccountCaller", "helmTest.existingSecret"),
    ),
    ({**TEST, "helmTest.organization": "globex"}, ("helmTest.organization", "globex", "acme")),
    ({**TEST, "callers.helm-test": {**KEY, "keySha256": [OTHER_DIGEST]}}, ("callers.helm-test",)),
    (
        {**TEST, "callers": {}, "existingCallers.configMap": "mine"},
        ("helmTest", "existingCallers.configMap"),
    ),
]
"""What the schema cannot see: values that are good alone and not together."""

NEIGHBOURS: list[Changes] = [
    {"organizations.globex": {"secretName": "x"}, "callers.billing.organizations": ["globex"]},
    {"callers.billing.organizations": ["*"]},
    {**MUTUAL, "serviceMonitor.enabled": True, "management.tls": False},
    {
        "networkPolicy.enabled": True,
        "serviceMonitor.enabled": True,
        "management.enabled": False,
    },
    {"callers.x": {**KEY, "keySha256": [OTHER_DIGEST]}},
    {"callers.x": {**KEY, "keySha256": OTHER_DIGEST}},
    {**ACCOUNTS, "callers.x": ACCOUNT},
    {"callers": {}, "existingCallers.configMap": "mine"},
    {"redis.url": "", "redis.existingSecret.name": "x"},
    VALKEY,
    {"redis.url": "redis+cluster://redis:6379"},
    {"redis.url": "rediss://redis:6380/2", "redis.tls.caSecret": "ca"},
    {**SENTINEL, "redis.sentinel.password.existingSecret": "x"},
    {"redis.username": "broker", "redis.password.existingSecret": "x"},
    {"canvas.url": "http://canvas/api", "settings.BROKER_CANVAS_ALLOW_HTTP": True},
    MUTUAL,
    {**MUTUAL, "tls.clientCerts": "optional", **TEST},
    {"livenessProbe.failureThreshold": 4},
    {"shutdown.gracefulTimeoutSeconds": 20},
    {"shutdown.drainSeconds": 0},
    {"podDisruptionBudget.minAvailable": 1},
    {"podDisruptionBudget.minAvailable": "50%"},
    {"podDisruptionBudget.maxUnavailable": "50%"},
    {"replicaCount": 1},
    {"replicaCount": 0},
    {"updateStrategy.rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    {"updateStrategy": {"type": "Recreate", "rollingUpdate": None}},
    {"autoscaling.enabled": True, "autoscaling.maxReplicas": 2},
    {"service.type": "NodePort", "service.nodePort": 30080},
    {"prometheusRule.disabled": ["CanvasTokenBrokerDown"]},
    TEST,
    {"helmTest.enabled": True, "helmTest.existingSecret": "x"},
    {**TEST, "helmTest.organization": "acme"},
    {"settings.BROKER_TRACING": "otlp", "extraEnv": [VARIABLE]},
    {"settings.BROKER_KEEP_WARM": ""},
    {"settings.BROKER_SOCKET_MODE": "0660"},
    {"global": {"somebody": "else", "imageRegistry": "", "imagePullSecrets": []}},
]
"""What is next to a refusal and must pass."""

SHAPES: list[tuple[Changes, str]] = [
    ({"replicas": 2}, "replicas"),
    ({"redis.uri": "x"}, "uri"),
    ({"redis.username": "two words"}, "username"),
    ({"organizations.acme.secret": "x"}, "secret"),
    ({"organizations.acme.secretName": ""}, "secretName"),
    ({"organizations.Acme": {"secretName": "x"}}, "Acme"),
    ({"organizations.acme": {}}, "secretName"),
    ({"callers.billing.key": "ctb_x"}, "key"),
    ({"callers.billing.keySha256": ["ctb_not-a-hash"]}, "keySha256"),
    ({"callers.billing.keySha256": DIGEST[:-1]}, "keySha256"),
    ({"callers.billing.organizations": []}, "organizations"),
    ({"callers.billing.organizations": "acme"}, "organizations"),
    ({"callers.billing": {"keySha256": [DIGEST]}}, "organizations"),
    ({"callers.billing.serviceAccount": "billing"}, "serviceAccount"),
    ({"callers.b illing": KEY}, "b illing"),
    ({"settings.WORKERS": 2}, "WORKERS"),
    ({"settings.BROKER_KEEP_WARM": [1]}, "BROKER_KEEP_WARM"),
    ({"settings.BROKER_KEEP_WARM": 0}, "BROKER_KEEP_WARM"),
    ({"settings.BROKER_KEEP_WARM": "1h"}, "BROKER_KEEP_WARM"),
    ({"settings.BROKER_UPSTREAM_ATTEMPTS": 1.5}, "BROKER_UPSTREAM_ATTEMPTS"),
    ({"settings.BROKER_CANVAS_CALLS_IN_FLIGHT": 0}, "BROKER_CANVAS_CALLS_IN_FLIGHT"),
    ({"settings.BROKER_METRICS_ORGANIZATIONS": "yes"}, "BROKER_METRICS_ORGANIZATIONS"),
    ({"settings.BROKER_SOCKET_MODE": 0o660}, "BROKER_SOCKET_MODE"),
    ({"settings.BROKER_TRACING": "jaeger"}, "BROKER_TRACING"),
    ({"workers": 0}, "workers"),
    ({"workers": "two"}, "workers"),
    ({"threads": 1}, "threads"),
    ({"log.level": "verbose"}, "level"),
    ({"log.format": "xml"}, "format"),
    ({"log.requests": 2}, "requests"),
    ({"auditLog": "audit.log"}, "auditLog"),
    ({"image.digest": "sha256:abc"}, "digest"),
    ({"image.pullPolicy": "Sometimes"}, "pullPolicy"),
    ({"service.port": 70000}, "port"),
    ({"service.type": "ExternalName"}, "type"),
    ({"service.trafficDistribution": "Near"}, "trafficDistribution"),
    ({"podDisruptionBudget.unhealthyPodEvictionPolicy": "Never"}, "unhealthyPodEvictionPolicy"),
    ({"tls.clientCerts": "maybe"}, "clientCerts"),
    ({"serviceAccountCallers.audience": ""}, "audience"),
    ({"networkPolicy.egressPorts": [0]}, "egressPorts"),
    ({"memoryVolumes.tmp": "16 MB"}, "tmp"),
    ({"prometheusRule.runbookUrlPrefix": "wiki"}, "runbookUrlPrefix"),
    ({"extraEnv": [{"value": "x"}]}, "extraEnv"),
]
"""What the schema sees: unknown names, wrong types, wrong forms."""
