"""What the log may say: the events of the broker, and the fields of each.

A field that stands here never holds a secret nor anything that a caller or Canvas sent; no other is
written.
"""

from collections.abc import Mapping

EVENTS: Mapping[str, tuple[str, ...]] = {
    "audit.crashed": ("error",),
    "audit.failed": ("reason",),
    "audit.recovered": (),
    "caller.refused": ("remote", "count"),
    "cleanup.crashed": (),
    "feed.down": ("reason", "advice"),
    "feed.up": (),
    "files.refused": ("what", "problems"),
    "files.reloaded": ("what",),
    "kubernetes.keys_failed": ("reason",),
    "kubernetes.keys_fetched": ("keys",),
    "lease.held": ("organization", "seconds"),
    "listener.connected": ("sockets",),
    "listener.unreachable": ("reason",),
    "log.lost": ("count",),
    "log.withheld": ("error",),
    "metrics.no_room": ("reason",),
    "observer.crashed": ("observer", "error"),
    "process.crashed": (),
    "process.printed": ("characters",),
    "refresher.crashed": ("organization", "error"),
    "refresher.held_back": ("organization", "kind", "seconds"),
    "reload.crashed": ("error",),
    "request.answered": ("method", "path", "status", "seconds", "remote"),
    "request.crashed": ("error",),
    "request.malformed": ("error", "remote", "untold"),
    "service.draining": ("seconds",),
    "service.limits": ("connections", "open_files"),
    "service.settings": ("settings",),
    "service.stopped": ("finished",),
    "store.damaged": ("organization", "part", "defect"),
    "store.failed": ("organization", "reason", "advice"),
    "store.recovered": ("organization",),
    "thread.crashed": ("thread_name",),
    "token.refreshed": ("organization", "generation"),
    "upstream.answered": ("organization", "kind", "seconds"),
    "upstream.failed": ("organization", "kind", "failure", "error", "seconds"),
    "upstream.flawed": ("organization", "flaw"),
    "worker.not_started": ("reason",),
}
FOREIGN = "library.logged"
"""The event of a line that a library wrote: its text may quote anything, and is left out."""
OURS = "broker."
"""How the loggers begin whose events are the broker's."""
