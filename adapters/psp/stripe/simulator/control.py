"""The control surface over HTTP: `POST /_sim/<method of StripeSimulator>` with a JSON object."""

from __future__ import annotations

import inspect
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from adapters.psp.stripe.simulator.desk import Reply
from adapters.psp.stripe.simulator.errors import StripeRefusal, invalid, missing
from adapters.psp.stripe.simulator.faults import Fault
from adapters.psp.stripe.simulator.forms import read_json
from adapters.psp.stripe.simulator.world import ENCODE

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.simulator import StripeSimulator

METHODS: Final = frozenset(
    {
        *("pay", "finish_refund", "fail_refund", "fail_refund_later", "refund_by_hand"),
        *("open_dispute", "escalate_dispute", "close_dispute", "warn_of_fraud"),
        *("settle", "pay_settlement", "fail_settlement", "add_recipient"),
        *("set_financial_balance", "post_outbound", "fail_outbound", "return_outbound"),
        *(
            "send_webhooks_to",
            "roll_webhook_secret",
            "deliver",
            "deliver_all",
            "pause_webhooks",
            "resume_webhooks",
        ),
        "deliver_by_itself",
        *("advance", "run_due"),
    }
)
_TIMES: Final = {"after_s": "after", "by_s": "by"}


class Control:
    """Calls the simulator's methods by name. Seconds come as `after_s` and `by_s`."""

    def __init__(self, simulator: StripeSimulator) -> None:
        """Control this simulator."""
        self._simulator = simulator

    def answer(self, name: str, body: bytes) -> Reply:
        """Call one method, or order a fault: `fault` with `kind`, and `path` and `times`."""
        try:
            asked = dict(_argument(*item) for item in read_json(body).items())
            if name == "fault":
                kind = Fault(str(asked.pop("kind", "")))
                self._simulator.faults.next(kind, **asked)
                return Reply(200, b"null")
            if name not in METHODS:
                raise missing("control", name)
            method = getattr(self._simulator, name)
            inspect.signature(method).bind(**asked)
            return Reply(200, ENCODE(_plain(method(**asked))))
        except (TypeError, ValueError) as error:
            return Reply(400, ENCODE(invalid(str(error)).body))
        except StripeRefusal as refusal:
            return Reply(refusal.status, ENCODE(refusal.body))


def _argument(name: str, value: Any) -> tuple[str, Any]:
    """Read times and spans, which JSON has no words for."""
    if name in _TIMES:
        return _TIMES[name], timedelta(seconds=value)
    if name == "due_by":
        return name, datetime.fromisoformat(value)
    return name, value


def _plain(result: Any) -> Any:
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
