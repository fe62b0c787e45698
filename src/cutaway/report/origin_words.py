# How a call was resolved, for readers who do not know the resolver's names: most say enough by themselves.
"""`said(origin)`."""

from __future__ import annotations

__all__ = ["said"]

_WORDS = {
    "queue_peer": "sends to",
    "process_target": "starts a process",
    "thread_target": "starts a thread",
    "task_target": "starts a task",
    "rpc_string_method": "by its name, elsewhere",
    "getattr_string": "by its name",
    "module_call_forward": "forward",
}


def said(origin: str) -> str:
    """Words for an origin of `cutaway.read.origins`.

    >>> said("queue_peer"), said("kernel_launch")
    ('sends to', 'kernel launch')
    """
    return _WORDS.get(origin, origin.replace("_", " "))
