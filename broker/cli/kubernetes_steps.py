"""The step of ``broker check`` that fetches the cluster's keys."""

from collections.abc import Iterator, Mapping
from functools import partial

from broker.cli.local_steps import SETTINGS
from broker.cli.steps import Finding, Step, fail, ok
from broker.kubernetes.failure import KeysError, KeysFailure
from broker.kubernetes.jwks import read_keys
from broker.kubernetes.key_source import FETCH_TIMEOUT, KeySource
from broker.kubernetes.own_token import OwnTokenError, own_issuer
from broker.settings import Settings

KUBERNETES = "Kubernetes"
_RESERVE = 1.0

_WHAT_TO_DO: Mapping[KeysFailure, str] = {
    KeysFailure.OWN_TOKEN: "the broker's own token cannot be read: correct "
    "BROKER_KUBERNETES_TOKEN_FILE.",
    KeysFailure.CA_FILE: "the authorities cannot be read: correct BROKER_KUBERNETES_CA_FILE.",
    KeysFailure.CONNECT: "no connection to BROKER_KUBERNETES_JWKS_URL.",
    KeysFailure.TLS: "TLS fails: BROKER_KUBERNETES_CA_FILE must hold the cluster's authority.",
    KeysFailure.TIMEOUT: f"no answer within {FETCH_TIMEOUT:g} s.",
    KeysFailure.FORBIDDEN: "the own token may not read them: bind the ClusterRole "
    "system:service-account-issuer-discovery to the broker's service account.",
    KeysFailure.NOT_KEYS: "the answer is no JWKS: correct BROKER_KUBERNETES_JWKS_URL.",
    KeysFailure.NO_KEY: "the JWKS holds no key that may be used.",
}


def kubernetes_steps(settings: Settings) -> Iterator[Step]:
    """Yield the step, where service-account tokens are taken."""
    if settings.kubernetes_audience is not None:
        work = partial(_keys, settings)
        yield Step(KUBERNETES, work, FETCH_TIMEOUT + _RESERVE, (SETTINGS,))


def _keys(settings: Settings) -> Finding:
    url = settings.kubernetes_jwks_url
    ca_file = settings.kubernetes_ca_file if url.startswith("https:") else None
    try:
        issuer = settings.kubernetes_issuer or own_issuer(settings.kubernetes_token_file)
        source = KeySource(url, token_file=settings.kubernetes_token_file, ca_file=ca_file)
        keys = read_keys(source.fetch())
    except KeysError as error:
        reason = _WHAT_TO_DO.get(error.failure, f"no usable answer ({error.failure}).")
        return fail(f"The cluster's keys cannot be fetched: {reason}")
    except OwnTokenError as error:
        return fail(f"BROKER_KUBERNETES_TOKEN_FILE: {error}.")
    except OSError:
        return fail(f"The cluster's keys cannot be fetched: {_WHAT_TO_DO[KeysFailure.CA_FILE]}")
    count = f"{len(keys)} key{'' if len(keys) == 1 else 's'}"
    return ok(f"Tokens of {issuer} are taken; the cluster publishes {count}.")
