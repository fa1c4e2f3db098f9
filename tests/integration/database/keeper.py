"""A process that keeps a server, to be killed: starts it, prints its pid and port, and waits."""

from __future__ import annotations

import sys
from pathlib import Path

from adapters.database.binaries import read_binaries
from adapters.database.embedded import EmbeddedPostgres


def main(home: str, folder: str) -> None:
    """Keep a server on `home`, with the programs in `folder`, until standard input ends."""
    with EmbeddedPostgres(home, durable=False, binaries=read_binaries(Path(folder))) as server:
        sys.stdout.write(f"{server.pid} {server.port} {int(server.owned)}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:3])
