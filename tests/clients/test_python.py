# Authlib has no types.
# mypy: disable-error-code="import-untyped"
"""Authlib and requests-oauthlib, as they come, against a real broker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2 import OAuth2Error
from oauthlib.oauth2 import (
    BackendApplicationClient,
    InvalidClientError,
    InvalidScopeError,
    TokenExpiredError,
)
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error
from requests import HTTPError, Response, Session
from requests_oauthlib import OAuth2Session

from tests.clients.samples import authlib_pod, authlib_session, requests_oauthlib_session
from tests.clients.stage import LIFE, Stage

pytestmark = pytest.mark.sockets


def owner(session: Any, stage: Stage) -> object:
    """Let the library call Canvas; return whose token it sent."""
    answer = session.get(stage.whoami)
    assert answer.status_code == 200
    return answer.json()["organization"]


def asking(session: Session) -> list[str]:
    """Return a list that grows with each request for a token."""
    asked: list[str] = []

    def note(response: Response, *args: object, **more: object) -> None:
        if response.request.method == "POST":
            asked.append(str(response.request.body))

    session.hooks["response"].append(note)
    return asked


class TestAuthlib:
    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_client_credentials(self, caller: Stage, method: str) -> None:
        """By either way to authenticate, the token works at Canvas."""
        session = AuthlibSession(
            "billing", caller.key, scope="acme", token_endpoint_auth_method=method
        )
        token = session.fetch_token(caller.token_endpoint, grant_type="client_credentials")
        assert token["scope"] == "acme"
        assert token["generation"] == caller.current().body["generation"]
        assert 0 < token["expires_in"] <= LIFE
        assert owner(session, caller) == "acme"

    def test_renews_by_itself(self, caller: Stage, later: Callable[[float], None]) -> None:
        """One request for a life, another one after it, with the same scope."""
        session = authlib_session.canvas("acme")
        asked = asking(session)
        assert owner(session, caller) == "acme"
        assert asked == []
        later(LIFE + 1)
        assert [owner(session, caller) for _ in range(3)] == ["acme"] * 3
        assert len(asked) == 1
        assert "scope=acme" in asked[0]

    def test_after_a_report(self, caller: Stage) -> None:
        """Canvas refused the token: the report gives another, which the library fetches."""
        session = authlib_session.canvas("acme")
        caller.deployment.emulator.revoke(session.token["access_token"])
        assert session.get(caller.whoami).status_code == 401
        assert caller.report(session.token["generation"]).status == 200
        session.fetch_token()
        assert owner(session, caller) == "acme"

    def test_wrong_key(self, caller: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is told with our code, and without the key."""
        monkeypatch.setenv("TOKEN_BROKER_KEY", "ctb_wrong")
        with pytest.raises(OAuthError) as found:
            authlib_session.canvas("acme")
        assert found.value.error == "invalid_client"
        assert found.value.description == "No caller has this name and key, or none was sent."

    def test_organization_of_others(self, caller: Stage) -> None:
        """Is told with our code."""
        with pytest.raises(OAuthError) as found:
            authlib_session.canvas("initech")
        assert found.value.error == "invalid_scope"

    def test_unavailable(self, caller: Stage) -> None:
        """Is an error of HTTP, as the library has it, with our answer in it."""
        with pytest.raises(HTTPError) as found:
            authlib_session.canvas("umbrella")
        answer = found.value.response
        assert answer is not None
        assert answer.status_code == 503
        assert answer.json()["error"] == "credentials_rejected"
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


class TestAuthlibInPod:
    def test_assertion(self, caller: Stage) -> None:
        """The plain call takes any grant."""
        session = AuthlibSession(scope="acme")
        session.fetch_token(
            caller.token_endpoint,
            grant_type=authlib_pod.JWT_BEARER,
            assertion=caller.token_file.read_text(),
        )
        assert owner(session, caller) == "acme"

    def test_reads_the_file_for_each_renewal(
        self,
        caller: Stage,
        later: Callable[[float], None],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        """As the kubelet has written it by then."""
        file = tmp_path / "token"
        file.write_text(caller.token_file.read_text())
        monkeypatch.setenv("TOKEN_BROKER_TOKEN_FILE", str(file))
        session = authlib_pod.canvas("acme")
        asked = asking(session)
        assert [owner(session, caller) for _ in range(3)] == ["acme"] * 3
        assert len(asked) == 1
        file.write_text("no.such.token")
        later(LIFE + 1)
        with pytest.raises(OAuth2Error) as found:
            session.get(caller.whoami)
        assert found.value.error == "invalid_grant"


class TestRequestsOauthlib:
    @pytest.mark.parametrize("scope", ["acme", ["acme"]])
    def test_basic(self, caller: Stage, scope: Any) -> None:
        """By ``auth``; the scope as text or as a list."""
        session = OAuth2Session(client=BackendApplicationClient("billing", scope=scope))
        token = session.fetch_token(caller.token_endpoint, auth=("billing", caller.key))
        assert token["scope"] == ["acme"]
        assert owner(session, caller) == "acme"

    def test_in_the_form(self, caller: Stage) -> None:
        """By ``include_client_id``."""
        session = OAuth2Session(client=BackendApplicationClient("billing", scope="acme"))
        session.fetch_token(caller.token_endpoint, include_client_id=True, client_secret=caller.key)
        assert owner(session, caller) == "acme"

    def test_name_in_both_places(self, caller: Stage) -> None:
        """Basic, and the name once more in the form."""
        session = OAuth2Session(client=BackendApplicationClient("billing", scope="acme"))
        session.fetch_token(
            caller.token_endpoint, auth=("billing", caller.key), include_client_id=True
        )
        assert owner(session, caller) == "acme"

    def test_tells_that_the_token_is_over(
        self, caller: Stage, later: Callable[[float], None]
    ) -> None:
        """It has read how long the token lives; a new one is asked for as the page does."""
        session = requests_oauthlib_session.new_session("acme")
        asked = asking(session)
        renewed = requests_oauthlib_session.renewed
        assert [owner(renewed(session), caller) for _ in range(3)] == ["acme"] * 3
        assert len(asked) == 1
        later(LIFE + 1)
        with pytest.raises(TokenExpiredError):
            session.get(caller.whoami)
        assert [owner(renewed(session), caller) for _ in range(3)] == ["acme"] * 3
        assert len(asked) == 2

    @pytest.mark.parametrize(
        ("organization", "error", "code"),
        [
            ("initech", InvalidScopeError, "invalid_scope"),
            ("umbrella", CustomOAuth2Error, "credentials_rejected"),
        ],
    )
    def test_errors(
        self, caller: Stage, organization: str, error: type[InvalidScopeError], code: str
    ) -> None:
        """Are the library's own where it has one, and have our code and description."""
        session = requests_oauthlib_session.new_session(organization)
        with pytest.raises(error) as found:
            requests_oauthlib_session.renewed(session)
        assert found.value.error == code
        assert found.value.description

    def test_wrong_key(self, caller: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """Has a class of its own."""
        monkeypatch.setenv("TOKEN_BROKER_KEY", "ctb_wrong")
        with pytest.raises(InvalidClientError):
            requests_oauthlib_session.renewed(requests_oauthlib_session.new_session("acme"))

    def test_how_long_to_wait(self, caller: Stage) -> None:
        """Is no part of its error: the answer itself says so, to a hook."""
        session = requests_oauthlib_session.new_session("umbrella")
        waits: list[str] = []

        def note(response: Response) -> Response:
            waits.append(response.headers["Retry-After"])
            return response

        session.register_compliance_hook("access_token_response", note)
        with pytest.raises(CustomOAuth2Error):
            requests_oauthlib_session.renewed(session)
        assert 1 <= int(waits[0]) <= 60
