"""Service accounts as the tests need them: tokens that say who they are."""

from collections.abc import Callable

from broker.errors import InvalidCredentialError, TemporarilyUnavailableError


class Accounts:
    """Takes ``token-of <namespace>:<name>``; can be out of reach."""

    def __init__(self) -> None:
        self.out_of_reach = False
        self.asked: list[str] = []
        self.known: set[str] = set()
        self.before_answer: Callable[[], object] = lambda: None

    def identify(self, token: str) -> str:
        """Return the account that the token names."""
        self.asked.append(token)
        self.before_answer()
        if self.out_of_reach:
            raise TemporarilyUnavailableError("The keys are out of reach.", retry_after=7)
        kind, _, account = token.partition("/")
        if kind != "token-of":
            raise InvalidCredentialError
        self.known.add(token)
        return account

    def recall(self, token: str) -> tuple[str, Callable[[], bool]] | None:
        """Return the account of a token that was identified before, and whether it still is."""
        if token not in self.known:
            return None
        return token.partition("/")[2], lambda: token in self.known
