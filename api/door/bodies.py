"""Strict bodies: bounded in size and time, JSON without ambiguity, then a closed schema.

A route says `body: WithdrawalRequest`, a `RequestModel`; a webhook says `raw: RawBody`. The bytes
are vetted by `loads_strict` and then read by pydantic in JSON mode, so that ids and times may be
text while an amount that is no text is refused. OpenAPI shows the body as for any FastAPI route,
and `check_doors` refuses to start with a body that is read in any other way.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeGuard

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from adapters.strict_json import loads_strict
from api.door.problems import ApiProblem, violations
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response

BODY_BYTES_MAX: Final = 64 * 1024
WEBHOOK_BYTES_MAX: Final = 256 * 1024
BODY_SECONDS_MAX: Final = 10
JSON_DEPTH_MAX: Final = 32
NUMBER_DIGITS_MAX: Final = 19

_JSON: Final = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?', re.IGNORECASE)


class RequestModel(BaseModel):
    """A closed body: unknown members and wrong types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def is_request_model(model: object) -> TypeGuard[type[RequestModel]]:
    """Tell whether the type of a parameter is one closed body."""
    return isinstance(model, type) and issubclass(model, RequestModel)


class StrictRequest(Request):
    """A request whose body is read once, bounded, and vetted before its schema sees it."""

    def __init__(self, request: Request, model: type[RequestModel] | None) -> None:
        super().__init__(request.scope, request.receive)
        self._model = model

    async def body(self) -> bytes:
        """Read a JSON body, refusing what is too large, too slow or of another media type."""
        if not hasattr(self, "_body"):
            if not _JSON.fullmatch(self.headers.get("content-type", "").strip()):
                raise ApiProblem("media_type_unsupported")
            self._body = await read_limited(self, BODY_BYTES_MAX)
        return self._body

    async def json(self) -> Any:
        """Return the body as its model: FastAPI finds nothing left to convert."""
        assert self._model is not None, "`check_doors` lets no other body start"
        raw = await self.body()
        try:
            loads_strict(
                raw,
                bytes_max=BODY_BYTES_MAX,
                depth_max=JSON_DEPTH_MAX,
                digits_max=NUMBER_DIGITS_MAX,
            )
        except InvalidInput as refusal:
            raise ApiProblem(refusal.public_code) from None
        try:
            return self._model.model_validate_json(raw)
        except ValidationError as broken:
            errors = broken.errors(include_url=False, include_context=False, include_input=False)
            found = violations(errors, "/body")
            raise ApiProblem("validation_failed", violations=found) from None


class StrictRoute(APIRoute):
    """A route that reads its body with `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler, which then never parses a body itself."""
        handle = super().get_route_handler()
        model = self.body_field.field_info.annotation if self.body_field else None
        strict_model = model if is_request_model(model) else None

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request, strict_model))

        return strict


class StrictRouter(APIRouter):
    """A router of strict routes. Every router of the API is one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"route_class": StrictRoute, **settings})


async def read_limited(request: Request, bytes_max: int) -> bytes:
    """Read a raw body.

    Raises:
        ApiProblem: `body_too_large`, `body_too_slow`, or `bad_request` when the sender left.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and len(declared) < NUMBER_DIGITS_MAX and int(declared) > bytes_max:
        raise ApiProblem("body_too_large")
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                raw += chunk
                # What was declared proves nothing: what arrives is counted.
                if len(raw) > bytes_max:
                    raise ApiProblem("body_too_large")
    except TimeoutError:
        raise ApiProblem("body_too_slow") from None
    except ClientDisconnect:
        raise ApiProblem("bad_request") from None
    return bytes(raw)


async def _raw(request: Request) -> bytes:
    return await read_limited(request, WEBHOOK_BYTES_MAX)


RawBody = Annotated[bytes, Depends(_raw)]
"""The bytes of a webhook as they came: the signature is over them, not over what they mean."""
