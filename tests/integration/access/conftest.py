from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from api.identity.scopes import Role
from tests.conftest import copied_database
from tests.integration.api.street import Street, open_street, withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres
    from adapters.database.roles import Database


@pytest.fixture
def street(database: Database, tmp_path: Path) -> Iterator[Street]:
    """A house of this test alone."""
    with open_street(database, tmp_path) as street:
        yield street


class Played(NamedTuple):
    """A street on which Ann and Ben paid in, and Ann asked for money back."""

    street: Street
    home: Path
    database: Database
    ann: str
    ben: str
    deposit: str
    withdrawal: str


@pytest.fixture(scope="module")
def played(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    home = tmp_path_factory.mktemp("home")
    with copied_database(postgres, template) as database, open_street(database, home) as street:
        ann, ben = street.register("EUR"), street.register("EUR")
        paid = street.pay_in(ann, "50.00", "EUR")
        street.pay_in(ben, "70.00", "EUR")
        asked = street.ask(
            Role.CLIENT, "/v1/withdrawals", withdrawal(ann, paid["deposit"]), whose=ann
        ).json()
        yield Played(street, home, database, ann, ben, paid["deposit"], asked["withdrawal"])
