"""``POST /token`` to the letter of RFC 6749, and the JWT bearer grant of RFC 7523."""

from base64 import b64encode

import pytest

from broker.callers import EVERYTHING, Caller, Callers, key_digest
from broker.errors import NotSentError
from broker.web.authentication import LONGEST_TOKEN, NobodyIsAsked
from broker.web.token_endpoint import JWT_BEARER
from broker.web.token_request import LONGEST_BODY
from tests.web.accounts import Accounts
from tests.web.rig import (
    AUDIT_KEY,
    FORM,
    KEY,
    OTHER_KEY,
    STRANGER_KEY,
    WEAK,
    Rig,
    error_of,
    having,
)

GRANT = {"grant_type": "client_credentials"}
IN_FORM = {**GRANT, "client_id": "billing", "client_secret": KEY}
BILLING = ("billing", KEY)
CHALLENGE = 'Basic realm="canvas-token-broker", charset="UTF-8"'


@pytest.fixture
def accounts() -> Accounts:
    """Return the service accounts of a cluster."""
    return Accounts()


@pytest.fixture
def cluster(accounts: Accounts) -> Rig:
    """Return a broker that takes service-account tokens."""
    return Rig("acme", service_accounts=accounts)


def bearer(account: str = "shop:pod", **more: str) -> dict[str, str]:
    """Return the form of a JWT bearer grant."""
    return {"grant_type": JWT_BEARER, "assertion": f"token-of/{account}", **more}


class TestAnswer:
    def test_is_that_of_section_5_1(self, rig: Rig) -> None:
        """With the scope, with what GET tells as well, and kept nowhere."""
        response = rig.post(basic=BILLING)
        body = response.get_json()
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Pragma"] == "no-cache"
        assert response.headers["X-Request-ID"]
        assert {**body, "generation": 0, "refresh_in": 0} == {
            "access_token": "access-1",
            "token_type": "Bearer",
            "expires_in": 599,
            "refresh_in": 0,
            "generation": 0,
            "organization": "acme",
            "scope": "acme",
        }

    def test_is_the_token_of_get(self, rig: Rig) -> None:
        """There is one token, however it is asked for."""
        posted, got = rig.post(basic=BILLING).get_json(), rig.get().get_json()
        assert posted["access_token"] == got["access_token"]
        assert posted["generation"] == got["generation"]


class TestClientAuthentication:
    def test_by_basic(self, rig: Rig) -> None:
        """The caller's name and key (section 2.3.1)."""
        assert rig.post(basic=BILLING).status_code == 200
        assert rig.post(basic=("billing", OTHER_KEY)).status_code == 200

    def test_by_form(self, rig: Rig) -> None:
        """Or both as parameters."""
        assert rig.post(IN_FORM).status_code == 200

    def test_names_and_keys_are_form_decoded(self, rig: Rig) -> None:
        """Client libraries encode them before they make the header."""
        odd = "k+y%/:%2B&=?~!-of-20+"
        rig.callers = having(odd)
        assert rig.post(basic=("billing", odd)).status_code == 200
        assert rig.post({**GRANT, "client_id": "billing", "client_secret": odd}).status_code == 200

    @pytest.mark.parametrize("key", WEAK)
    def test_a_weak_key_opens_nothing(self, rig: Rig, key: str) -> None:
        """Even if the file has it, by Basic as in the form."""
        rig.callers = having(key)
        unknown = rig.post(basic=("billing", "x" * 20), X_Request_ID="same")
        for form, basic in (
            ({**IN_FORM, "client_secret": key}, None),
            (None, ("billing", key)),
        ):
            told = rig.post(form, basic, X_Request_ID="same")
            error_of(told, 401, "invalid_client")
            assert (told.data, str(told.headers)) == (unknown.data, str(unknown.headers))

    def test_name_beside_basic_may_be_repeated(self, rig: Rig) -> None:
        """Some libraries do so; it must be the same."""
        assert rig.post({**GRANT, "client_id": "billing"}, BILLING).status_code == 200
        error_of(rig.post({**GRANT, "client_id": "audit"}, BILLING), 400, "invalid_request")

    def test_in_two_ways_is_refused(self, rig: Rig) -> None:
        """Even if both are right (section 2.3)."""
        told = error_of(rig.post(IN_FORM, BILLING), 400, "invalid_request")
        assert told == "client authentication is given more than once"

    @pytest.mark.parametrize(
        "form",
        [
            GRANT,
            {**GRANT, "client_id": "billing"},
            {**GRANT, "client_secret": KEY},
            {**IN_FORM, "client_id": "audit"},
            {**IN_FORM, "client_id": "BILLING"},
            {**IN_FORM, "client_id": ""},
            {**IN_FORM, "client_secret": ""},
            {**IN_FORM, "client_secret": KEY + "x"},
            {**IN_FORM, "client_secret": AUDIT_KEY},
            {**IN_FORM, "client_secret": key_digest(KEY)},
            {**IN_FORM, "client_secret": "x" * 5000},
            {**IN_FORM, "client_id": "nobody"},
        ],
    )
    def test_each_way_of_being_nobody_is_told_alike(self, rig: Rig, form: dict[str, str]) -> None:
        """With the challenge that belongs to every 401."""
        told = rig.post(form, X_Request_ID="same")
        known = rig.post({**IN_FORM, "client_secret": "another"}, X_Request_ID="same")
        error_of(told, 401, "invalid_client")
        assert (told.data, str(told.headers)) == (known.data, str(known.headers))
        assert told.headers["WWW-Authenticate"] == CHALLENGE

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic YmlsbGluZw==",
            f"Basic billing:{KEY}",
            f"Bearer {KEY}",
            f"Digest {KEY}",
            "Basic " + b64encode(b"billing:\xff").decode(),
            "Basic " + b64encode(b"\xff:" + KEY.encode()).decode(),
            "Basic " + b64encode(b":").decode(),
            "Basic " + b64encode(f"audit:{KEY}".encode()).decode(),
            "Basic " + b64encode(f"billing:{KEY}x".encode()).decode(),
            "Basic " + b64encode(f"billing:{KEY}".encode()).decode() + " x",
        ],
    )
    def test_a_header_that_is_no_good(self, rig: Rig, authorization: str) -> None:
        """Is a 401 with the Basic challenge (section 5.2)."""
        response = rig.post(Authorization=authorization)
        error_of(response, 401, "invalid_client")
        assert response.headers["WWW-Authenticate"] == CHALLENGE

    def test_the_key_is_not_taken_from_the_query(self, rig: Rig) -> None:
        """Where logs would keep it."""
        path = f"/token?client_id=billing&client_secret={KEY}&grant_type=client_credentials"
        error_of(rig.client.post(path, data=GRANT), 401, "invalid_client")

    def test_where_nobody_is_asked(self) -> None:
        """Any name and key do, and none."""
        rig = Rig("acme", authentication=NobodyIsAsked())
        assert rig.post(GRANT).status_code == 200
        assert rig.post(basic=("x", "y")).status_code == 200


class TestForm:
    @pytest.mark.parametrize(
        "media_type",
        ["application/json", "multipart/form-data", "text/plain", "application/x-www-form", ""],
    )
    def test_only_one_media_type(self, rig: Rig, media_type: str) -> None:
        """Section 4.4.2 knows no other."""
        response = rig.client.post("/token", data=b"{}", content_type=media_type)
        told = error_of(response, 400, "invalid_request")
        assert told == f"Content-Type must be {FORM}"

    def test_its_media_type_may_have_parameters(self, rig: Rig) -> None:
        """Many libraries name the charset."""
        assert rig.post(IN_FORM, Content_Type=f"{FORM}; charset=UTF-8").status_code == 200

    @pytest.mark.parametrize(
        "name", ["grant_type", "scope", "client_id", "client_secret", "assertion", "unknown"]
    )
    def test_a_repeated_parameter_is_refused(self, rig: Rig, name: str) -> None:
        """Also one that is not known (section 3.2)."""
        body = f"grant_type=client_credentials&{name}=a&{name}=a"
        told = error_of(rig.post(body), 400, "invalid_request")
        assert told == f"{name} is given more than once"

    def test_unknown_parameters_are_ignored(self, rig: Rig) -> None:
        """As section 3.2 demands; resource and audience are often sent."""
        form = {**IN_FORM, "resource": "https://canvas", "audience": "x", "min_ttl": "x"}
        assert rig.post(form).status_code == 200

    def test_a_parameter_without_a_value_counts_as_left_out(self, rig: Rig) -> None:
        """Section 3.2."""
        assert rig.post({**IN_FORM, "scope": ""}).status_code == 200
        told = error_of(rig.post({**IN_FORM, "grant_type": ""}), 400, "invalid_request")
        assert told == "grant_type is required"

    def test_the_grant_type_is_required(self, rig: Rig) -> None:
        """Section 4.4.2."""
        form = {"client_id": "billing", "client_secret": KEY}
        assert error_of(rig.post(form), 400, "invalid_request") == "grant_type is required"

    @pytest.mark.parametrize(
        "grant_type", ["password", "refresh_token", "authorization_code", "nonsense", JWT_BEARER]
    )
    def test_a_grant_type_that_is_not_taken(self, rig: Rig, grant_type: str) -> None:
        """Without a cluster the JWT bearer grant is none, either."""
        response = rig.post({**IN_FORM, "grant_type": grant_type})
        told = error_of(response, 400, "unsupported_grant_type")
        assert told == "grant_type must be client_credentials"

    def test_a_body_that_is_too_long(self, rig: Rig) -> None:
        """Is not read."""
        body = "grant_type=client_credentials&x=" + "x" * LONGEST_BODY
        error_of(rig.post(body), 413, "invalid_request")

    @pytest.mark.parametrize("body", ["%00=%00", "%ff=%fe", "=", "&&&", "a", "\x00", "%"])
    def test_nonsense_is_a_bad_request(self, rig: Rig, body: str) -> None:
        """Never more than that."""
        error_of(rig.post(body), 400, "invalid_request")


class TestScope:
    def test_names_the_organization(self) -> None:
        """The one that is asked for."""
        rig = Rig("acme", "globex")
        response = rig.post({**GRANT, "scope": "globex"}, ("audit", AUDIT_KEY))
        assert response.get_json()["scope"] == "globex"

    def test_is_required_of_a_caller_with_several(self) -> None:
        """There is no default to choose (section 3.3)."""
        rig = Rig("acme", "globex")
        told = error_of(rig.post(basic=("audit", AUDIT_KEY)), 400, "invalid_scope")
        assert told == "scope is required: this caller may use more than one organization"

    @pytest.mark.parametrize("scope", ["globex", "nowhere", "initech"])
    def test_not_its_own_and_not_there_are_told_alike(self, scope: str) -> None:
        """As in GET, in the words of section 5.2."""
        rig = Rig("acme", "globex")
        response = rig.post({**GRANT, "scope": scope}, BILLING)
        told = error_of(response, 400, "invalid_scope")
        assert told == error_of(
            rig.post({**GRANT, "scope": "elsewhere"}, BILLING), 400, "invalid_scope"
        )

    @pytest.mark.parametrize(
        "scope", ["acme globex", "acme acme", " acme", "../acme", "a\x00b", "é", "A" * 1000, " "]
    )
    def test_names_one_organization(self, rig: Rig, scope: str) -> None:
        """A token is one organization's."""
        told = error_of(rig.post({**GRANT, "scope": scope}, BILLING), 400, "invalid_scope")
        assert told == "scope must be the name of one organization"

    def test_of_a_caller_that_may_use_none(self, rig: Rig) -> None:
        """Says so."""
        error_of(rig.post(basic=("stranger", STRANGER_KEY)), 400, "invalid_scope")


class TestUnavailable:
    def test_is_answered_as_get_is(self, rig: Rig) -> None:
        """503 with Retry-After; RFC 6749 has no code of its own for it."""
        rig.canvas.errors = [NotSentError("connect")] * 9
        response = rig.post(basic=BILLING)
        error_of(response, 503, "temporarily_unavailable")


class TestJwtBearer:
    def test_gives_the_token(self, cluster: Rig) -> None:
        """No other authentication is needed (RFC 7523 section 2.1)."""
        body = cluster.post(bearer(scope="acme")).get_json()
        assert body["access_token"] == "access-1"

    def test_needs_an_assertion(self, cluster: Rig) -> None:
        """It is the parameter's name that is told."""
        told = error_of(cluster.post({"grant_type": JWT_BEARER}), 400, "invalid_request")
        assert told == "assertion is required"

    @pytest.mark.parametrize("assertion", ["nonsense", "token-of/shop:other", "x" * 5000, KEY])
    def test_an_assertion_that_is_no_good(self, cluster: Rig, assertion: str) -> None:
        """Or that no caller runs as: one answer (RFC 7521 section 4.1.1)."""
        response = cluster.post({"grant_type": JWT_BEARER, "assertion": assertion})
        told = error_of(response, 400, "invalid_grant")
        assert told == "The assertion is not valid, or no caller runs as its subject."

    def test_huge_assertions_are_not_even_looked_at(self, cluster: Rig, accounts: Accounts) -> None:
        """They cost us nothing."""
        cluster.post({"grant_type": JWT_BEARER, "assertion": "x" * (LONGEST_TOKEN + 1)})
        assert accounts.asked == []

    def test_keys_out_of_reach_are_no_refusal(self, cluster: Rig, accounts: Accounts) -> None:
        """A passing fault is told as one."""
        accounts.out_of_reach = True
        response = cluster.post(bearer())
        error_of(response, 503, "temporarily_unavailable")
        assert response.headers["Retry-After"] == "7"

    def test_a_key_beside_it_must_be_the_same_callers(self, cluster: Rig) -> None:
        """Optional, but never wrong (RFC 7523 section 3.1)."""
        error_of(cluster.post(bearer(), BILLING), 400, "invalid_grant")
        error_of(cluster.post(bearer(), ("billing", "wrong")), 401, "invalid_client")
        both = frozenset({key_digest(KEY)})
        cluster.callers = Callers((Caller("pod", EVERYTHING, both, "shop:pod"),))
        assert cluster.post(bearer(), ("pod", KEY)).status_code == 200
        assert cluster.post(bearer(client_id="pod")).status_code == 200

    def test_both_grants_are_named_where_both_are_taken(self, cluster: Rig) -> None:
        """In the error."""
        response = cluster.post({"grant_type": "password"})
        told = error_of(response, 400, "unsupported_grant_type")
        assert told == f"grant_type must be client_credentials or {JWT_BEARER}"


class TestBearerHeader:
    def test_a_service_account_token_is_a_credential_of_get(self, cluster: Rig) -> None:
        """Beside the caller keys."""
        assert cluster.get(key="token-of/shop:pod").get_json()["access_token"] == "access-1"
        assert cluster.get(key=KEY).status_code == 200

    def test_one_of_no_caller_is_no_credential(self, cluster: Rig) -> None:
        """Told as any other."""
        error_of(cluster.get(key="token-of/shop:other"), 401, "invalid_token")

    def test_a_known_key_asks_no_cluster(self, cluster: Rig, accounts: Accounts) -> None:
        """So an outage there is none here."""
        accounts.out_of_reach = True
        assert cluster.get(key=KEY).status_code == 200
        assert accounts.asked == []

    def test_keys_out_of_reach_are_no_refusal(self, cluster: Rig, accounts: Accounts) -> None:
        """Nobody can tell at the moment."""
        accounts.out_of_reach = True
        error_of(cluster.get(key="token-of/shop:pod"), 503, "temporarily_unavailable")

    def test_without_a_cluster_none_is_taken(self, rig: Rig) -> None:
        """Even if a caller names an account."""
        error_of(rig.get(key="token-of/shop:pod"), 401, "invalid_token")
