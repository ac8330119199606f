"""Callers that are Kubernetes pods: who they are, by their projected service-account tokens."""

from broker.kubernetes.compact import looks_like_jwt
from broker.kubernetes.composition import SetupError, service_accounts
from broker.kubernetes.keys import Keys
from broker.kubernetes.service_accounts import ServiceAccounts

__all__ = ["Keys", "ServiceAccounts", "SetupError", "looks_like_jwt", "service_accounts"]
