"""Stripe: cards in, refunds and v2 outbound payments out, behind the ports of `payments.ports`.

`client` speaks Stripe's language, `translate` and `events` turn it into ours, `webhook` guards the
door, `provider` is the adapter. `simulator` is our model of Stripe on loopback: it is not Stripe.
"""
