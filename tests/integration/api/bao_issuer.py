"""A real OpenBao on loopback as the issuer of service identities: AppRole in, JWT out."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT_TOKEN = "root-of-the-test"
START_S = 60.0
TEMPLATE = """{
  "client_id": {{identity.entity.id}},
  "role": {{identity.entity.metadata.role}},
  "entity": {{identity.entity.metadata.entity}},
  "scope": {{identity.entity.metadata.scope}}
}"""


@dataclass
class Bao:
    """The server's API as its administrator."""

    url: str
    http: httpx.Client

    @property
    def jwks(self) -> str:
        return f"{self.url}/v1/identity/oidc/.well-known/keys"

    @property
    def issuer(self) -> str:
        return f"{self.url}/v1/identity/oidc"

    def write(self, path: str, **said: Any) -> dict[str, Any]:
        answer = self.http.post(f"/v1/{path}", json=said)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def read(self, path: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/{path}")
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def issues_identities(self, name: str, *, audience: str, algorithm: str, ttl: str) -> None:
        """Let the server sign tokens for one role, with a key of its own."""
        self.write(
            f"identity/oidc/key/{name}",
            algorithm=algorithm,
            allowed_client_ids=["*"],
            verification_ttl="3h",
        )
        template = base64.b64encode(TEMPLATE.encode()).decode()
        self.write(
            f"identity/oidc/role/{name}",
            key=name,
            client_id=audience,
            ttl=ttl,
            template=template,
        )
        policy = f'path "identity/oidc/token/{name}" {{ capabilities = ["read"] }}'
        self.write(f"sys/policies/acl/{name}", policy=policy)

    def service(self, name: str, oidc_role: str, metadata: Mapping[str, str]) -> Service:
        """Make a service that logs in by AppRole, with the identity that the metadata says."""
        self.write(f"auth/approle/role/{name}", token_policies=[oidc_role], token_ttl="10m")
        role_id = self.read(f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        entity = self.write("identity/entity", name=name, metadata=dict(metadata))["data"]["id"]
        accessor = self.read("sys/auth")["data"]["approle/"]["accessor"]
        self.write(
            "identity/entity-alias", name=role_id, canonical_id=entity, mount_accessor=accessor
        )
        secret_id = self.write(f"auth/approle/role/{name}/secret-id")["data"]["secret_id"]
        return Service(self.url, role_id, secret_id, oidc_role, entity)


@dataclass(frozen=True)
class Service:
    """What a service holds: its AppRole; everything else it asks for."""

    url: str
    role_id: str
    secret_id: str
    oidc_role: str
    identity: str

    def token(self, oidc_role: str = "") -> httpx.Response:
        """Log in, and ask for a token of our API."""
        said = {"role_id": self.role_id, "secret_id": self.secret_id}
        with httpx.Client(base_url=self.url, trust_env=False) as http:
            login = http.post("/v1/auth/approle/login", json=said).json()
            headers = {"X-Vault-Token": login["auth"]["client_token"]}
            name = oidc_role or self.oidc_role
            return http.get(f"/v1/identity/oidc/token/{name}", headers=headers)

    def jwt(self) -> str:
        """The token itself."""
        return str(self.token().json()["data"]["token"])


def claims_of(token: str) -> dict[str, Any]:
    """Read what a token says, unverified."""
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


@contextlib.contextmanager
def serving_bao(log: Path) -> Iterator[Bao]:
    """Run a server in memory; it ends with the context."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).parent / "bao"
    words = [f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "server", "-dev", "-dev-no-store-token", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=log.parent,
            env={"HOME": str(log.parent), "PATH": "/usr/bin:/bin"},
        )
    url = f"http://127.0.0.1:{port}"
    headers = {"X-Vault-Token": ROOT_TOKEN}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            _await_start(process, http)
            bao = Bao(url, http)
            bao.write("sys/auth/approle", type="approle")
            yield bao
    finally:
        process.terminate()
        process.wait(30)


def _await_start(process: subprocess.Popen[bytes], http: httpx.Client) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        assert process.poll() is None, "the server ended instead of starting"
        with contextlib.suppress(httpx.TransportError):
            if http.get("/v1/sys/health").status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
