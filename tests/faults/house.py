"""A house as a process of its own, with its own durable PostgreSQL, to be killed and started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from adapters.database.postmaster import read_pid_file
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from tests.faults.processes import ROOT, family, kill_all

if TYPE_CHECKING:
    from pathlib import Path

MERCHANT = "stripe-eu"
WEBHOOK_SECRET = "whsec_drill"
SECRETS = {
    "COUNTERFOIL_STRIPE_STRIPE_EU_API_KEY": "sk_test_drill",
    "COUNTERFOIL_STRIPE_STRIPE_EU_WEBHOOK_SECRETS": WEBHOOK_SECRET,
}
END_S = 60
SETTINGS = """\
issuer = "{issuer}"
audience = "{audience}"
jwks = "{jwks}"
rates = "sandbox"

[four_eyes_above]
EUR = 100000000
GBP = 100000000
USD = 100000000

# A call lives for two seconds at most here: who died during one is followed soon.
[patience]
request_life_s = 3
again_s = 1

[[merchants]]
name = "{merchant}"
bank = "eurobank"
address = "{stripe}"
timeout_s = 2
"""


class HouseProcess:
    """`counterfoil up` on one home and one port, through all its lives."""

    def __init__(self, home: Path, stripe: str) -> None:
        """Write the settings; nothing runs before `start`."""
        self.issuer = DevIssuer.at_home(home)
        self.url = ""
        self._home, self._port = home, _free_port()
        self._config, self._log = home / "counterfoil.toml", home / "house.log"
        self._config.write_text(
            SETTINGS.format(
                issuer=ISSUER,
                audience=AUDIENCE,
                jwks=self.issuer.jwks,
                merchant=MERCHANT,
                stripe=stripe,
            )
        )
        ours = ("DATABASE_URL", "COUNTERFOIL_")
        told = {name: said for name, said in os.environ.items() if not name.startswith(ours)}
        self._environ = told | SECRETS
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and return when its doors are open."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command("up"), "--port", str(self._port)],
                env=self._environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told, f"the house did not start: {self._log.read_text()[-2000:]}"
        self.url = json.loads(told)["api"]

    def kill(self) -> None:
        """SIGKILL the house and, in the same breath, its PostgreSQL with every child."""
        assert self._process is not None, "the house runs"
        server = read_pid_file(self._home / "postgres" / "server" / "pgdata")
        assert server is not None, "its PostgreSQL runs"
        servers = family(server.pid)
        os.killpg(self._process.pid, signal.SIGKILL)
        kill_all(servers)
        self._ended()

    def stop(self) -> int:
        """Ask it to close, where it runs; its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._ended()

    def ask(self, *words: str) -> tuple[int, Any]:
        """Ask the command line about the house's books: the exit code and the JSON."""
        answer = subprocess.run(
            self._command(*words),
            env=self._environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=END_S,
        )
        assert answer.stdout, answer.stderr
        return answer.returncode, json.loads(answer.stdout)

    def _command(self, *words: str) -> list[str]:
        where = ["--home", str(self._home), "--config", str(self._config), "--json"]
        return [sys.executable, "-m", "api.cli", *words, *where]

    def _ended(self) -> int:
        assert self._process is not None, "the house was started"
        assert self._process.stdout is not None
        code = self._process.wait(END_S)
        self._process.stdout.close()
        self._process = None
        return code


def _free_port() -> int:
    # Stripe's messages name it, so the house must come back at the same one.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
