"""Our charges in the FOCUS format, so that any FinOps tool reads them as it reads a cloud's.

Owns the columns and their words. Allocations are written by day, exact; invoices by line, as printed,
with tax as a charge of its own.
Source: FOCUS 1.2, Cost and Usage; the allocation columns are those of 1.3. https://focus.finops.org
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from chargeback import money
from chargeback.documents.report_csv import written
from chargeback.periods import Period
from chargeback.views import ChargeRow, PostedDocument, PostedLine

Version = Literal["1.2", "1.3"]

COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "InvoiceId",
    "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName", "ServiceSubcategory", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
ALLOCATION_COLUMNS = (
    "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedTags", "HostProviderName", "ServiceProviderName",
)  # fmt: skip
OWN_COLUMNS = ("x_ResourceType", "x_RuleId", "x_RuleVersion")
_SERVICE = ("AI and Machine Learning", "AI Platforms")

Row = dict[str, str]


def allocations_csv(
    charges: Sequence[ChargeRow], currency: str, issuer: str, version: Version = "1.2"
) -> bytes:
    """Who bears what, a row per charge. Units: costs exact in `currency`, written plain with a point.

    With version 1.3 the columns that say how a shared cost was split: the ratios of one origin add to 1.
    """
    ratios = _ratios(charges) if version == "1.3" else {}
    more = ALLOCATION_COLUMNS if version == "1.3" else ()
    rows = (
        _charge(charge, currency, issuer) | _split(ratios.get(place), charge, issuer)
        for place, charge in enumerate(charges)
    )
    return _written((*COLUMNS, *more, *OWN_COLUMNS), rows)


def invoices_csv(documents: Iterable[PostedDocument], issuer: str) -> bytes:
    """What was billed, a row per line as printed and one for its tax. Units: the document's currency."""
    return _written(
        (*COLUMNS, *OWN_COLUMNS),
        (row for document in documents for row in _lines(document, issuer)),
    )


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _charge(charge: ChargeRow, currency: str, issuer: str) -> Row:
    payer_id, kind = _sub_account(charge.team_id, charge.user_id)
    month = Period.month(f"{charge.usage_date:%Y-%m}")
    description = f"{charge.resource_type} of {charge.source}, by rule {charge.rule_name}"
    return {
        **_common(charge.cost, charge.quantity, charge.unit, currency, issuer),
        **_periods(month, Period(charge.usage_date, charge.usage_date + timedelta(days=1))),
        "ChargeCategory": "Usage",
        "ChargeDescription": written(description),
        "InvoiceId": charge.number or "",
        "ServiceName": written(charge.source),
        "SubAccountId": written(payer_id),
        "SubAccountName": written(charge.payer_name),
        "SubAccountType": kind,
        "Tags": _json({"team": charge.team_id, "user": charge.user_id}),
        "x_ResourceType": written(charge.resource_type),
        "x_RuleId": written(charge.rule_id),
        "x_RuleVersion": str(charge.rule_version),
    }


def _sub_account(team_id: str | None, user_id: str | None) -> tuple[str, str]:
    if team_id is not None:
        return team_id, "Team"
    return (user_id, "User") if user_id is not None else ("unattributed", "Unattributed")


def _lines(document: PostedDocument, issuer: str) -> Iterator[Row]:
    for line in document.lines:
        used = document.period if line.late_month is None else _month_of(line.late_month)
        yield {
            **_common(line.amount, line.quantity, line.unit, document.currency, issuer),
            **_periods(document.period, used),
            **_of_document(document),
            "ChargeCategory": "Usage" if document.credits_number is None else "Credit",
            "ChargeClass": _class(document, line),
            "ChargeDescription": written(line.description),
            "ServiceName": written(line.resource_type),
            "x_ResourceType": written(line.resource_type),
        }
    if document.tax:
        yield {
            **_common(document.tax, None, "", document.currency, issuer),
            **_periods(document.period, document.period),
            **_of_document(document),
            "ChargeCategory": "Tax",
            "ChargeDescription": f"Tax on {document.number}",
            "ServiceName": "Tax",
        }


def _class(document: PostedDocument, line: PostedLine) -> str:
    """FOCUS calls a correction what concerns a billing period that was closed before."""
    is_correction = line.late_month is not None or document.credits_number is not None
    return "Correction" if is_correction else ""


def _of_document(document: PostedDocument) -> Row:
    return {
        "InvoiceId": document.number,
        "SubAccountId": written(document.payer_id or "all"),
        "SubAccountName": written(document.payer),
        "SubAccountType": "Payer",
        "Tags": _json({"cost_center": document.cost_center}),
    }


def _month_of(day: date) -> Period:
    return Period.month(f"{day:%Y-%m}")


def _common(cost: Decimal, quantity: Decimal | None, unit: str, currency: str, issuer: str) -> Row:
    category, subcategory = _SERVICE
    amount, used = _number(cost), "" if quantity is None else _number(quantity)
    return {
        "BilledCost": amount,
        "EffectiveCost": amount,
        "ListCost": amount,
        "ContractedCost": amount,
        "BillingAccountId": written(issuer),
        "BillingAccountName": written(issuer),
        "BillingCurrency": currency,
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": used,
        "ConsumedUnit": written(unit),
        "PricingQuantity": used,
        "PricingUnit": written(unit),
        # One and the same string: else a billed cost other than 0 breaks BilledCost-C-005.
        "InvoiceIssuerName": written(issuer),
        "ProviderName": written(issuer),
        "PublisherName": written(issuer),
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
    }


def _periods(billed: Period, used: Period) -> Row:
    return {
        "BillingPeriodStart": _instant(billed.start),
        "BillingPeriodEnd": _instant(billed.end),
        "ChargePeriodStart": _instant(used.start),
        "ChargePeriodEnd": _instant(used.end),
    }


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _number(amount: Decimal) -> str:
    """Plain with a point: the format's checks take `716` for an integer and refuse it."""
    plain = f"{amount:f}"
    return plain if "." in plain else f"{plain}.0"


def _json(tags: Mapping[str, str | None]) -> str:
    return json.dumps({key: value for key, value in tags.items() if value is not None})


def _ratios(charges: Sequence[ChargeRow]) -> dict[int, Decimal]:
    """By place, the part of what its rule took that day that each charge is; those of one origin add to 1."""
    origins: dict[tuple[object, ...], dict[str, int]] = defaultdict(dict)
    for place, charge in enumerate(charges):
        key = (charge.usage_date, charge.source, charge.rule_id, charge.rule_version,
               charge.resource_type, charge.unit)  # fmt: skip
        origins[key][f"{place:012d}"] = money.units(abs(charge.cost))
    found: dict[int, Decimal] = {}
    for weights in origins.values():
        if any(weights.values()):
            parts = money.split(10**money.LEDGER_DECIMALS, weights)
            found |= {int(place): money.amount(part) for place, part in parts.items()}
    return found


def _split(ratio: Decimal | None, charge: ChargeRow, issuer: str) -> Row:
    if ratio is None:
        return {}
    element = {"AllocatedRatio": f"{ratio:f}", "UsageUnit": charge.unit}
    return {
        "AllocatedMethodId": written(f"{charge.rule_id}@{charge.rule_version}"),
        "AllocatedMethodDetails": json.dumps({"Elements": [element]}),
        "AllocatedTags": _json({"team": charge.team_id, "user": charge.user_id}),
        "HostProviderName": written(issuer),
        "ServiceProviderName": written(issuer),
    }
