"""What somebody does at the processor with Stripe's own library. The task is JSON, and so is what is printed last."""

import json
import sys

import stripe

task = json.loads(sys.argv[1])
stripe.api_key = "sk_test_of_the_client"
stripe.api_base = task["url"]


def card():
    """A card that was typed in, as the payer's browser sends it."""
    details = {"number": task["number"], "exp_month": 12, "exp_year": 2035, "cvc": "123"}
    return {"id": stripe.PaymentMethod.create(type="card", card=details).id}


def payment():
    found = stripe.PaymentIntent.retrieve(task["reference"])
    # Where nothing was charged the server has no list of refunds.
    refunds = stripe.Refund.list(payment_intent=found.id).data if found.status == "succeeded" else []
    return {
        "amount": found.amount,
        "currency": found.currency,
        "status": found.status,
        "metadata": dict(found.metadata.to_dict()),
        "refunds": sorted([refund.amount, refund.metadata.to_dict()["vwp"]] for refund in refunds),
    }


def arrive():
    """A bank says what became of a payout."""
    return {"status": stripe.Payout.modify(task["reference"], status=task["status"]).status}


def events():
    """The events about one thing, each as its webhook has it, signed now by the library's own function."""
    found = []
    for event in stripe.Event.list(limit=100).data:
        if event.data.object["id"] != task["reference"]:
            continue
        body = json.dumps(event.to_dict())
        signature = stripe.WebhookSignature._compute_signature(f"{task['now']}.{body}", task["secret"])
        found.append({"type": event.type, "body": body, "signature": f"t={task['now']},v1={signature}"})
    return found


print(json.dumps({"card": card, "payment": payment, "arrive": arrive, "events": events}[task["do"]]()))
