"""Kept-alive connections to one host, one per thread: how the demo calls, light on the CPU."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

TIMEOUT_S: Final = 120.0
IDLE_S_MAX: Final = 2.0
_ERRORS: Final = 400


class Refused(Exception):
    """The other side said no."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = str(problem.get("code"))


class Lines:
    """Calls one host from any thread; every thread keeps its own connection."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._mine = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Hang up on every thread's behalf."""
        for line in self._all:
            line.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Any = None,
        plain: bool = False,
        **headers: str,
    ) -> Any:
        """Call, and read the answer: JSON, or plain text.

        Args:
            headers: by name, with `_` for `-`.

        Raises:
            Refused: the answer is an error.
        """
        where = f"{path}?{urlencode(query)}" if query else path
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = None
        if body is not None:
            raw = json.dumps(body).encode()
            said["Content-Type"] = "application/json"
        line = self._line()
        line.request(method, where, raw, said)
        answer = line.getresponse()
        raw = answer.read()
        read = raw.decode() if plain else json.loads(raw or b"null")
        if answer.status >= _ERRORS:
            raise Refused(answer.status, read if isinstance(read, dict) else {})
        return read

    def _line(self) -> http.client.HTTPConnection:
        now = time.monotonic()
        if not hasattr(self._mine, "line"):
            self._mine.line = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
            self._all.append(self._mine.line)
        elif now - self._mine.used > IDLE_S_MAX:
            # The server hangs up on who is silent for five seconds; the next call opens anew.
            self._mine.line.close()
        self._mine.used = now
        line: http.client.HTTPConnection = self._mine.line
        return line
