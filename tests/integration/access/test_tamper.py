"""A record that was changed, removed or forged is found by `verify`, and its position is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api.cli import main
from api.identity.scopes import Role
from ledger.store.chain import Row, digest, genesis
from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack
from ledger.store.tables import LOGS
from projections.log import stored_rows
from tests.integration.access.scene import checkpoint_access
from tests.integration.api.street import ENTITY, Street

if TYPE_CHECKING:
    from collections.abc import Callable

ACCESS = LOGS["access"]
AT = 4
NAMED = "the record of access"


def chained(rows: list[Row]) -> list[Row]:
    """Number the rows and compute every digest anew: what a patient superuser does."""
    before, made = genesis(ACCESS.name, ENTITY).digest, []
    for position, row in enumerate(rows, 1):
        name = row.name.encode()
        fields = (position, row.stream.bytes, row.version, row.recorded_us, name, row.state)
        before = digest(before, *fields)
        made.append(row._replace(position=position, digest=before))
    return made


def changed(rows: list[Row]) -> list[Row]:
    state = rows[AT - 1].state.replace(b"service:finance", b"service:nobody_")
    assert state != rows[AT - 1].state
    rows[AT - 1] = rows[AT - 1]._replace(state=state)
    return rows


def removed(rows: list[Row]) -> list[Row]:
    return rows[: AT - 1] + rows[AT:]


def removed_and_closed_up(rows: list[Row]) -> list[Row]:
    moved = [row._replace(position=row.position - 1) for row in rows[AT:]]
    return rows[: AT - 1] + moved


def cut(rows: list[Row]) -> list[Row]:
    return rows[:-2]


def changed_with_care(rows: list[Row]) -> list[Row]:
    return chained(changed(rows))


def removed_with_care(rows: list[Row]) -> list[Row]:
    gone = rows[AT - 1]
    left = [
        row._replace(version=row.version - 1)
        if row.stream == gone.stream and row.version > gone.version
        else row
        for row in removed(rows)
    ]
    return chained(left)


def untouched(rows: list[Row]) -> list[Row]:
    return rows


def attack(street: Street, change: Callable[[list[Row]], list[Row]]) -> None:
    """Put other rows in the place of the log's, as the superuser can, triggers or not."""
    with psycopg.connect(street.house.database.admin_dsn) as connection:
        rows = change(list(stored_rows(connection, ACCESS)))
        connection.execute("ALTER TABLE book.access DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM book.access")
        with connection.cursor().copy(ACCESS.sql(COPY_IN)) as copy:
            copy.write(COPY_HEADER + pack(rows) + COPY_TRAILER)
        connection.execute("ALTER TABLE book.access ENABLE ALWAYS TRIGGER append_only")


@pytest.mark.parametrize(
    ("change", "position"),
    [
        (changed, AT),
        (removed, AT),
        (removed_and_closed_up, AT),
        (cut, None),
        (changed_with_care, 1),
        (removed_with_care, 7),
        (untouched, 0),
    ],
)
def test_what_was_done_to_the_access_log_is_found(
    street: Street,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Row]], list[Row]],
    position: int | None,
) -> None:
    client = street.register("EUR")
    for _ in range(5):
        path = f"/v1/clients/{client}/wallets"
        street.see(Role.FINANCE, path, after=street.house.book.head())
    house = street.house
    checkpoint_access(house)
    attack(street, change)
    monkeypatch.setenv("DATABASE_URL", house.database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    capsys.readouterr()
    code = main(["verify", "--home", str(house.settings.home), "--json"])
    checks: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["checks"]
    found = [check for check in checks if not check["held"]]

    assert code == (0 if change is untouched else 1)
    assert all(check["name"].startswith(NAMED) for check in found)
    if position:
        assert found[0]["position"] == position, found
