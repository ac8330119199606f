"""Whether a pod is ready, told by any of its workers without asking another one, or Redis.

::

    starting ──── every worker has had a write taken by Redis ────▶ ready ◀──▶ not able
    (503)                                                           (200)      (503)

Not able is a pod none of whose workers has a valid token, or could get one. It never goes back to
starting: a worker that is started anew is spared callers until it can serve, while another can.
"""

from collections.abc import Callable

from broker.pod.state import PodState, Told
from broker.policy.ability import Ability


class Readiness:
    """A worker's part in the readiness of its pod.

    ``state`` is what the workers share, ``ability`` returns what this one can do.
    """

    def __init__(self, state: PodState, ability: Callable[[], Ability]) -> None:
        self._state = state
        self._ability = ability
        self._accepts = False

    def tell(self) -> None:
        """Let the pod know how this worker does; to be called several times a second."""
        written, serving = self._ability()
        nothing = Told(0)
        self._state.tell(
            (Told.WRITTEN if written else nothing) | (Told.SERVING if serving else nothing)
        )

    def is_ready(self) -> bool:
        """Tell whether the pod is: this worker as it is now, the others as they said lately."""
        self.tell()
        return self._state.has_been_ready and self._state.serves()

    def may_accept(self) -> bool:
        """Tell whether this worker takes callers; once it does, it always does.

        A pod that has been ready gives them to those of its workers that can serve.
        """
        if not self._accepts:
            others = self._state.has_been_ready and self._state.serves()
            self._accepts = not others or self._ability().serving
        return self._accepts
