import json

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.policy.answers import Served
from broker.secret import Secret
from broker.tokens import State
from broker.web.answer import Answer, error_answer, grant_answer, token_answer
from broker.web.schemas import ErrorAnswer, GrantAnswer, TokenAnswer

NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)
SERVED = st.builds(
    Served, st.text(), st.builds(Secret, st.text()), NUMBERS, NUMBERS, NUMBERS, st.just(State.FRESH)
)


def members(answer: Answer) -> list[tuple[str, object]]:
    """Return the members of a body, each as often and where it stands."""
    assert answer.body.isascii()
    found: list[tuple[str, object]] = json.loads(answer.body, object_pairs_hook=list)
    return found


@settings(deadline=None, derandomize=True, database=None)
@given(SERVED)
def test_a_token_is_written_as_its_schema_says(served: Served) -> None:
    """The bodies are formatted by hand, for speed."""
    told = {**served._asdict(), "access_token": served.access_token.reveal()}
    assert members(token_answer(served)) == list(TokenAnswer().dump(told).items())
    told["scope"] = served.organization
    assert members(grant_answer(served)) == list(GrantAnswer().dump(told).items())


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(), st.text())
def test_an_error_is_written_as_its_schema_says(code: str, sentence: str) -> None:
    """Likewise."""
    told = {"error": code, "error_description": sentence}
    assert members(error_answer(400, code, sentence)) == list(ErrorAnswer().dump(told).items())
