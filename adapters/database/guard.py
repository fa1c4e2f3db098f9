"""A tiny process that stops the server when its supervisor is gone, however that one ended.

Run as a script, by path, with the standard library alone. It holds the reading end of a pipe whose
writing end only the supervisor has: the kernel closes that one even after SIGKILL. A death signal
(`PR_SET_PDEATHSIG`) would fire when the starting *thread* ends, so it cannot serve here.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

POLL_S = 0.2
FAST_S_MAX = 30.0
"""How long the fast shutdown may take before the immediate one."""


def main(lifeline: int, server: int, pid: int) -> None:
    """Wait until the server or the supervisor is gone; then see that the server is gone too.

    Args:
        lifeline: reading end of the supervisor's pipe.
        server: pidfd of the server, or -1 where the system has none.
        pid: the server's process id.
    """
    for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(word, signal.SIG_IGN)
    watched = [lifeline] if server < 0 else [lifeline, server]
    patience = POLL_S if server < 0 else None
    while lifeline not in (spoke := select.select(watched, [], [], patience)[0]):
        if server in spoke or (server < 0 and not _exists(pid)):
            return
    _send(server, pid, signal.SIGINT)
    deadline = time.monotonic() + FAST_S_MAX
    while time.monotonic() < deadline:
        if _gone(server, pid):
            return
    _send(server, pid, signal.SIGQUIT)


def _gone(server: int, pid: int) -> bool:
    """Give the server a moment, and say whether it has ended."""
    if server >= 0:
        return bool(select.select([server], [], [], POLL_S)[0])
    time.sleep(POLL_S)
    return not _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _send(server: int, pid: int, word: signal.Signals) -> None:
    try:
        if server >= 0:
            signal.pidfd_send_signal(server, word)
        else:
            os.kill(pid, word)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
