from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.house.settings import Settings
from api.identity.certificates import ProxyCertificates, thumbprint
from api.serve import listening, tls_of
from tests.unit.api.certificate_maker import Authority, Pair
from tests.unit.api.small_house import House, open_house
from tests.unit.api.test_tokens import craft, show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.api.small_house import Answer

CERTIFICATE = b"not parsed by us: the proxy has"
BOUND = {"cnf": {"x5t#S256": thumbprint(CERTIFICATE)}}


def by_proxy(house: House, token: str, *told: bytes, client: str = "127.0.0.1") -> Answer:
    """Ask as a TLS proxy would pass it on."""
    sent = [(b"client-cert", value) for value in told]
    app = ProxyCertificates(house.app)

    async def from_there(scope: Any, receive: Any, send: Any) -> None:
        scope["client"] = (client, 1) if client else None
        await app(scope, receive, send)

    kept, house.app = house.app, from_there  # type: ignore[assignment]
    try:
        return house.ask("GET", "/v1/disputes", token=token, headers=sent)
    finally:
        house.app = kept


def encoded(der: bytes) -> bytes:
    return b":" + base64.b64encode(der) + b":"


def test_a_bound_token_opens_the_door_to_its_bearer_alone(house: House) -> None:
    token = craft(house, claims=BOUND)

    assert by_proxy(house, token, encoded(CERTIFICATE)).status == 200
    assert by_proxy(house, token, encoded(CERTIFICATE), client="").status == 200
    for told in ((), (encoded(b"another"),)):
        answer = by_proxy(house, token, *told)
        assert (answer.status, answer.code) == (401, "token_invalid")


@pytest.mark.parametrize(
    "told",
    [
        (encoded(CERTIFICATE), encoded(CERTIFICATE)),
        (encoded(CERTIFICATE), encoded(b"another")),
        (base64.b64encode(CERTIFICATE),),
        (b"::",),
        (b":not base64:",),
        (b":" + b"A" * 9000 + b":",),
    ],
)
def test_a_header_that_is_not_one_clean_certificate_proves_nothing(
    house: House, told: tuple[bytes, ...]
) -> None:
    assert by_proxy(house, craft(house, claims=BOUND), *told).status == 401


@pytest.mark.parametrize("client", ["10.0.0.7", "::ffff:10.0.0.7", "proxy.example"])
def test_a_certificate_told_from_another_machine_is_not_believed(house: House, client: str) -> None:
    token = craft(house, claims=BOUND)

    assert by_proxy(house, token, encoded(CERTIFICATE), client=client).status == 401


def test_without_the_setting_nobody_can_write_the_header(house: House) -> None:
    token = craft(house, claims=BOUND)
    sent = [(b"client-cert", encoded(CERTIFICATE))]

    assert house.ask("GET", "/v1/disputes", token=token, headers=sent).status == 401


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        {"jkt": "A" * 43},
        {"x5t#S256": thumbprint(CERTIFICATE), "jkt": "A" * 43},
        {"x5t#S256": thumbprint(CERTIFICATE)[:-1]},
        {"x5t#S256": [thumbprint(CERTIFICATE)]},
        [thumbprint(CERTIFICATE)],
        thumbprint(CERTIFICATE),
    ],
)
def test_a_proof_that_we_cannot_check_is_a_no(house: House, cnf: object) -> None:
    answer = by_proxy(house, craft(house, claims={"cnf": cnf}), encoded(CERTIFICATE))

    assert (answer.status, answer.code) == (401, "token_invalid")


def test_where_every_token_must_be_bound_a_loose_one_is_refused(tmp_path: Path) -> None:
    house = open_house(tmp_path / "home", bound=True)

    assert show(house, craft(house)).status == 401
    assert by_proxy(house, craft(house, claims=BOUND), encoded(CERTIFICATE)).status == 200


# --- over real TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def address(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A house behind TLS of its own, and where it is."""
    ours = authority.issue("house")
    settings = Settings.model_validate(
        {
            "tls": {
                "certificate": ours.certificate,
                "key": ours.key,
                "callers": authority.certificate,
            }
        }
    )
    house = open_house(tmp_path_factory.mktemp("house"))
    with listening(house.app, "127.0.0.1", 0, tls=tls_of(settings)) as url:
        yield house, url


def status(url: str, authority: Authority, token: str, shown: Pair | None = None) -> int:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    with httpx.Client(verify=context, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}"}
        return http.get(f"{url}/v1/disputes", headers=headers).status_code


def test_over_tls_the_certificate_of_the_handshake_decides(
    address: tuple[House, str], authority: Authority
) -> None:
    house, url = address
    mine, other = authority.issue("worker"), authority.issue("other")
    token = craft(house, claims={"cnf": {"x5t#S256": thumbprint(mine.der)}})

    assert url.startswith("https://")
    assert status(url, authority, token, mine) == 200
    assert status(url, authority, token, other) == 401
    assert status(url, authority, token) == 401
    assert status(url, authority, craft(house)) == 200


def test_a_certificate_that_no_authority_of_ours_signed_ends_the_handshake(
    address: tuple[House, str], authority: Authority, tmp_path: Path
) -> None:
    house, url = address
    stranger = Authority.make(tmp_path, "stranger").issue("worker")
    token = craft(house, claims={"cnf": {"x5t#S256": thumbprint(stranger.der)}})

    with pytest.raises(httpx.TransportError):
        status(url, authority, token, stranger)
