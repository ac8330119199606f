"""The step of ``broker check`` that fetches the cluster's keys."""

from collections.abc import Iterator, Mapping
from functools import partial

from broker.cli.local_steps import SETTINGS
from broker.cli.steps import Finding, Step, fail, ok
from broker.files.tls import contexts
from broker.kubernetes.failure import KeysError, KeysFailure
from broker.kubernetes.jwks import read_keys
from broker.kubernetes.key_source import FETCH_TIMEOUT, KeySource
from broker.kubernetes.own_token import OwnTokenError, own_issuer, read_own_token
from broker.settings import Settings
from broker.settings.inputs import kubernetes_authorities

KUBERNETES = "Kubernetes"
_RESERVE = 1.0

_WHAT_TO_DO: Mapping[KeysFailure, str] = {
    KeysFailure.CONNECT: "no connection to BROKER_KUBERNETES_JWKS_URL.",
    KeysFailure.TLS: "TLS fails: BROKER_KUBERNETES_CA_FILE must hold the cluster's authority.",
    KeysFailure.TIMEOUT: f"no answer within {FETCH_TIMEOUT:g} s.",
    KeysFailure.FORBIDDEN: "the own token may not read them: bind the ClusterRole "
    "system:service-account-issuer-discovery to the broker's service account; or it is not shown "
    "there: see BROKER_KUBERNETES_TOKEN_HOST.",
    KeysFailure.NOT_KEYS: "the answer is no JWKS: correct BROKER_KUBERNETES_JWKS_URL.",
    KeysFailure.NO_KEY: "the JWKS holds no key that may be used.",
}


def kubernetes_steps(settings: Settings) -> Iterator[Step]:
    """Yield the step, where service-account tokens are taken."""
    if settings.kubernetes_audience is not None:
        work = partial(_keys, settings)
        yield Step(KUBERNETES, work, FETCH_TIMEOUT + _RESERVE, (SETTINGS,))


def _keys(settings: Settings) -> Finding:
    token_file, tls = settings.kubernetes_token_file, contexts(kubernetes_authorities(settings))
    try:
        issuer = settings.kubernetes_issuer or own_issuer(token_file)
        token = read_own_token(token_file)
        source = KeySource(
            settings.kubernetes_jwks_url,
            token=lambda: token,
            token_host=settings.kubernetes_token_host,
            tls=tls,
        )
        keys = read_keys(source.fetch())
    except KeysError as error:
        reason = _WHAT_TO_DO.get(error.failure, f"no usable answer ({error.failure}).")
        return fail(f"The cluster's keys cannot be fetched: {reason}")
    except OwnTokenError as error:
        return fail(f"BROKER_KUBERNETES_TOKEN_FILE: {error}.")
    count = f"{len(keys)} key{'' if len(keys) == 1 else 's'}"
    return ok(f"Tokens of {issuer} are taken; the cluster publishes {count}.")
