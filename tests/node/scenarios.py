"""Every scenario by its name, in the order in which a whole run plays them."""

from collections.abc import Callable

from tests.node import kills, memory, policies, redis_faults, rollouts, swaps
from tests.node.rows import Row
from tests.node.stage import Stage

Scenario = Callable[[Stage], list[Row]]

INSTALL = "install"
SCENARIOS: dict[str, Scenario] = {
    INSTALL: rollouts.install,
    "rolling-update-idle": rollouts.rolling_update_idle,
    "rolling-update-busy": rollouts.rolling_update_busy,
    "wrong-rollouts": rollouts.wrong_rollouts,
    "rollback": rollouts.rollback,
    "scale": rollouts.scale,
    "delete-pod": rollouts.delete_pod,
    "kill-worker": kills.kill_worker,
    "kill-first-process": kills.kill_first_process,
    "kill-listener": kills.kill_listener,
    "kill-sandbox": kills.kill_sandbox,
    "drain": rollouts.drain,
    "canvas-keys": swaps.canvas_keys,
    "callers": swaps.callers,
    "certificate": swaps.certificate,
    "authority": swaps.authority,
    "redis-deleted": redis_faults.deleted,
    "redis-moved": redis_faults.moved,
    "redis-password": redis_faults.password,
    "memory-limit": kills.memory_limit,
    "restart": kills.restart,
    "token-renewal": swaps.token_renewal,
    "network-policy": policies.network_policy,
    "memory": memory.memory,
    "upgrade": rollouts.upgrade,
}
