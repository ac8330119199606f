"""Canvas with the standard library alone: keep the token, ask again when it is worth it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen


class CanvasToken:
    """The token of one organization, for all threads of a process."""

    def __init__(self, organization: str, now: Callable[[], float] = time.monotonic) -> None:
        self._organization = organization
        self._now = now
        self._lock = Lock()
        self._answer: dict[str, Any] = {}
        self._ask_at = self._dead_at = now()

    def header(self) -> str:
        """Return the value of ``Authorization`` for Canvas; raises OSError without a token."""
        with self._lock:
            if self._now() >= self._ask_at:
                self._renew()
            return self._header()

    def refused(self, header: str) -> None:
        """Report that Canvas answered 401 to ``header``; raises OSError if there is no other."""
        with self._lock:
            if header == self._header():
                self._ask(rejected=self._answer["generation"])

    def _header(self) -> str:
        return "{token_type} {access_token}".format(**self._answer)

    def _renew(self) -> None:
        try:
            self._ask()
        except OSError as error:  # also HTTPError and a timeout
            if self._now() >= self._dead_at:
                raise
            waits = error.headers.get("Retry-After") if isinstance(error, HTTPError) else None
            self._ask_at = self._now() + int(waits or 5)

    def _ask(self, **more: int) -> None:
        query = urlencode({"organization": self._organization, **more})
        url = f"{os.environ['TOKEN_BROKER']}/token?{query}"
        sent = self._now()
        request = Request(url, headers={"Authorization": f"Bearer {_credential()}"})
        with urlopen(request, timeout=10) as answer:
            self._answer = json.load(answer)
        self._ask_at = sent + self._answer["refresh_in"]
        self._dead_at = sent + self._answer["expires_in"]


def _credential() -> str:
    """Return the service-account token, where there is one, or the caller key."""
    file = os.environ.get("TOKEN_BROKER_TOKEN_FILE")
    return Path(file).read_text() if file else os.environ["TOKEN_BROKER_KEY"]
