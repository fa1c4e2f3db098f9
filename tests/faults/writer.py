"""A process of ours, to be killed: opens the book, writes, and prints each acknowledged number."""

from __future__ import annotations

import os
import sys
from threading import Event

from tests.faults.load import Writers, open_book


def main(dsn: str, first: str, keyed: str) -> None:
    """Write from `first` on until the end; a line is one system call, so none is torn."""
    writers = Writers(open_book(dsn), int(first), keyed=keyed == "keyed")
    writers.start(lambda number: os.write(sys.stdout.fileno(), b"%d\n" % number))
    Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
