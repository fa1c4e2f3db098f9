"""An importing process, to be killed: prints how many rows are acknowledged after each chunk.

python -m tests.faults.importer DSN FILE CHUNK_ROWS
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from api.shell.importing import import_rows, read_rows
from tests.faults.load import ENTITY, open_book

if TYPE_CHECKING:
    from ledger.store.bulk import Appended

SOURCE = "drill"


def main(dsn: str, path: str, chunk_rows: str) -> None:
    """Import the whole file; a line is one system call, so none is torn."""
    told = 0

    def tell(appended: Appended, offset: int) -> None:
        del offset
        nonlocal told
        told += appended.recorded + appended.replayed
        os.write(sys.stdout.fileno(), b"%d\n" % told)

    with closing(open_book(dsn)) as book, closing(book.bulk()) as bulk, Path(path).open("rb") as f:
        import_rows(bulk, read_rows(f, ENTITY, SOURCE), tell, chunk_rows=int(chunk_rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
