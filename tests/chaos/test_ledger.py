"""What is held against the broker, on Canvas's own clock, and what is not."""

from broker.emulator.canvas import Canvas, Sessions
from tests.chaos.callers import Callers, Observation
from tests.chaos.ledger import ENOUGH_LEFT, KNOWN_TO_ALL, Ledger
from tests.chaos.mount import MountedDeployment
from tests.chaos.stage import LIFETIME, strict
from tests.integration.deployment import CONSUMER, SECRET_KEY, Reply


class Scene:
    """A Canvas whose clock stands still until it is moved, and the replies of a broker."""

    def __init__(self, sessions: Sessions = Sessions.MANY) -> None:
        self.now = 1_000_000.0
        self.canvas = Canvas(
            {CONSUMER: SECRET_KEY}, behaviour=strict(sessions), now=lambda: self.now
        )
        self.ledger = Ledger(self.canvas)

    def served(self) -> Reply:
        """Return an answer with a new token."""
        token = self.canvas.authenticate(CONSUMER, SECRET_KEY).access_token
        body = {"access_token": token, "expires_in": int(LIFETIME)}
        return Reply(200, body, self.now, self.now)

    def refused(self) -> Reply:
        """Return a 503 of now."""
        return Reply(503, {}, self.now, self.now)


def test_living_token() -> None:
    """It is what callers came for."""
    scene = Scene()
    assert not scene.ledger.is_expired(scene.served())


def test_expired_token() -> None:
    """It was served once Canvas's clock has passed its end."""
    scene = Scene()
    reply = scene.served()
    scene.now += LIFETIME
    assert scene.ledger.is_expired(reply)


def test_token_that_canvas_never_gave() -> None:
    """It is no token."""
    reply = Reply(200, {"access_token": "made up", "expires_in": 60}, 0, 0)
    assert Scene().ledger.is_expired(reply)


def test_token_ended_before_its_time_is_not_expired() -> None:
    """The broker could not know."""
    scene = Scene(Sessions.SINGLE)
    old = scene.served()
    scene.served()
    assert not scene.canvas.whoami(old.body["access_token"])
    assert not scene.ledger.is_expired(old)


def test_refusal_while_all_have_a_token() -> None:
    """Every worker has heard of it, and it has long to live."""
    scene = Scene()
    scene.ledger.is_expired(scene.served())
    scene.now += KNOWN_TO_ALL + 1
    assert scene.ledger.is_refusal(scene.refused())


def test_refusal_before_all_can_know_the_token() -> None:
    """The first answer with it is too young."""
    scene = Scene()
    scene.ledger.is_expired(scene.served())
    scene.now += KNOWN_TO_ALL - 1
    assert not scene.ledger.is_refusal(scene.refused())


def test_refusal_when_the_token_is_about_to_die() -> None:
    """Or when there never was one."""
    scene = Scene()
    assert not scene.ledger.is_refusal(scene.refused())
    scene.ledger.is_expired(scene.served())
    scene.now += LIFETIME - ENOUGH_LEFT + 1
    assert not scene.ledger.is_refusal(scene.refused())


def test_callers_look_at_each_answer_at_once() -> None:
    """What the ledger says stands in the observation; no answer is one, too."""
    scene = Scene()
    deployment = MountedDeployment.__new__(MountedDeployment)
    callers = Callers(deployment, scene.ledger)
    reply = scene.served()
    assert callers.observe(reply) == Observation(200, 0.0)
    scene.now += KNOWN_TO_ALL + 1
    assert callers.observe(scene.refused()) == Observation(503, 0.0, refused=True)
    scene.now += LIFETIME
    assert callers.observe(reply) == Observation(200, 0.0, expired=True)
    assert callers.observe(Reply(0, "TimeoutError", 1.0, 3.0)) == Observation(0, 2.0)
