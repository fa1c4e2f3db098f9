"""Every fact that this program knows, and how older forms are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import clients.facts
import compliance.facts
import ledger.facts
import payments.facts
from ledger.access import AccessRecorded, from_version_1
from ledger.store.codec import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UPCASTERS: Final[Mapping[tuple[str, int], Callable[[dict[str, object]], dict[str, object]]]] = {}
"""(stored name, version) → the data in the next version's form."""

BOOK: Final = Vocabulary(
    (
        *ledger.facts.FACTS,
        *payments.facts.FACTS,
        *clients.facts.FACTS,
        *compliance.facts.FACTS,
    ),
    UPCASTERS,
)
ACCESS: Final = Vocabulary(
    (ledger.facts.BookOpened, AccessRecorded), {(AccessRecorded.NAME, 1): from_version_1}
)
