"""Gives freed memory back to the system.

Each answer is worked on by a thread of its own, and the C library keeps what such threads have
freed in pools of theirs: under 50 users a page of 1.1 GiB seemed to grow by half a MiB an answer,
nearly all of it free (malloc_trim(3)).
"""

from __future__ import annotations

import ctypes
import threading
import time

_SECONDS_BETWEEN = 10.0

_lock = threading.Lock()
_last = -_SECONDS_BETWEEN


def give_back_memory() -> bool:
    """Let the C library return its free pages; at most once in ten seconds.

    Returns whether it was asked to: only glibc can be.
    """
    global _last
    with _lock:
        now = time.monotonic()
        if now - _last < _SECONDS_BETWEEN:
            return False
        _last = now
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library, which keeps less or cannot be asked
        return False
    return True
