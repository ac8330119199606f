"""What the release of the chart is changed to, and what it must not be changed to."""

REPLICAS = 4
ANOTHER_TAG = "9.9.9"
DIGEST = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
CHANGES = (
    f"--set=replicaCount={REPLICAS}",
    f"--set=image.tag={ANOTHER_TAG}",
    f"--set=callers.another.keySha256[0]={DIGEST}",
    "--set=callers.another.organizations[0]=*",
)
AUTOSCALED = ("--set=autoscaling.enabled=true",)
INVALID = {
    "a value that there is none of": (("--set=replicaCuont=3",), "replicaCuont"),
    "replicas in words": (("--set=replicaCount=three",), "replicaCount"),
    "no organization": (("--set-json=organizations={}",), "name at least one organization"),
}
