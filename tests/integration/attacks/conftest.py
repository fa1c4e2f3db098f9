from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import copied_database
from tests.integration.api.street import Street, open_street

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def shared(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    """A house for tests that only knock: opening one takes longer than most of them."""
    with (
        copied_database(postgres, template) as database,
        open_street(database, tmp_path_factory.mktemp("home")) as street,
    ):
        yield street
