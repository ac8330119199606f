"""Callers that are Kubernetes pods: who they are, by their projected service-account tokens."""

from broker.kubernetes.key_source import KeySource
from broker.kubernetes.keys import Keys
from broker.kubernetes.service_accounts import ServiceAccounts

__all__ = ["KeySource", "Keys", "ServiceAccounts"]
