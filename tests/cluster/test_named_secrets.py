from tests.cluster.named_secrets import references


def test_every_way_of_naming_a_secret_is_found() -> None:
    """In an environment variable, a volume, and a part of a projected volume."""
    pod = {
        "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": "url"}}}]}],
        "volumes": [
            {"secret": {"secretName": "b", "items": [{"key": "ca.crt", "path": "ca"}]}},
            {"projected": {"sources": [{"secret": {"name": "c", "items": [{"key": "k"}]}}]}},
        ],
    }
    assert list(references({"spec": pod})) == [("a", "url"), ("b", "ca.crt"), ("c", "k")]


def test_nothing_else_is_taken_for_a_secret() -> None:
    """Also not a word in a text."""
    assert not list(references({"kind": "ConfigMap", "data": {"secret": "no"}, "env": []}))
