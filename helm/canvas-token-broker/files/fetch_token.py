# ruff: noqa: INP001  # the chart hands its text to a pod; nobody imports it
"""What ``helm test`` runs: a request for a token that must work, and one that must be refused.

Prints neither token nor credential.
"""

import json
import os
import ssl
import sys
import time
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PATIENCE = 120.0
PAUSE = 3.0
TIMEOUT = 10.0
NOBODY = 0

Answer = tuple[int, dict[str, object]]


def ask(headers: dict[str, str], path: str = "/token") -> Answer:
    """Return status and body; the status is NOBODY if nobody answered."""
    query = urlencode({"organization": os.environ["ORGANIZATION"]})
    url = f"{os.environ['TOKEN_BROKER']}{path}?{query}"
    try:
        request = Request(url, headers=headers)  # noqa: S310  # the chart makes the URL
        with urlopen(request, timeout=TIMEOUT, context=tls()) as answer:  # noqa: S310  # as above
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except (URLError, OSError) as error:
        return NOBODY, {"error": str(getattr(error, "reason", error))}


def tls() -> ssl.SSLContext:
    """Trust the system's authorities, and the one beside the broker's certificate, if any."""
    context = ssl.create_default_context()
    beside = Path(os.environ["CA_FILE"])
    if beside.exists():
        context.load_verify_locations(beside)
    return context


def ask_as_caller() -> Answer:
    """Ask with the credential, for a while: pods may be starting, or not have seen a new caller."""
    until = time.monotonic() + PATIENCE
    while True:
        credential = Path(os.environ["CREDENTIAL_FILE"]).read_text("ascii").strip()
        status, answer = ask({"Authorization": f"Bearer {credential}"})
        if status == HTTPStatus.OK or time.monotonic() > until:
            return status, answer
        say(f"not yet: {status} {answer.get('error')}")
        time.sleep(PAUSE)


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Exit with 1 unless both requests are answered as they should be."""
    status, answer = ask_as_caller()
    if status != HTTPStatus.OK:
        sys.exit(f"FAILED: asked with a credential: {status} {answer}")
    lifetime = answer.get("expires_in")
    if answer.get("token_type") != "Bearer" or not isinstance(lifetime, int) or lifetime <= 0:
        sys.exit("FAILED: the answer holds no token that is good for a while")
    say(f"ok: a token for {os.environ['ORGANIZATION']}, good for {lifetime} s")
    status, answer = ask({})
    if status != HTTPStatus.UNAUTHORIZED:
        sys.exit(f"FAILED: asked without a credential: {status} instead of 401")
    say("ok: refused without a credential")
    if os.environ["MANAGEMENT_PORT"] == "true":
        status, answer = ask({}, "/health")
        if status != HTTPStatus.NOT_FOUND:
            sys.exit(f"FAILED: /health answers where callers are: {status} instead of 404")
        say("ok: what is for operators is not where callers are")


if __name__ == "__main__":
    main()
