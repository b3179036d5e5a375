"""A made-up FOCUS 1.2 export of one month: hourly rows of resources in sub accounts, with tags.

The same seed makes the same rows, and `changes` other costs in as many of them.
"""

import csv
import json
import random
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountStatus", "ConsumedQuantity",
    "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip
START = datetime(2026, 10, 1)  # noqa: DTZ001 - written with a Z behind
HOURS = 31 * 24
SERVICES = (("Compute", "Elastic Compute", "Hours"), ("Storage", "Object Storage", "GB"),
            ("AI and Machine Learning", "Model Serving", "Tokens"), ("Networking", "Load Balancing", "GB"))  # fmt: skip


def write_export(path: Path, records: int, accounts: int, changes: int = 0) -> None:
    """Rows in the order of time, as providers export them; the first `changes` of them cost a cent more."""
    chance = random.Random(20261101)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(records):
            start = START + timedelta(hours=number * HOURS // records)
            writer.writerow(_row(chance, start, accounts, 10_000 if number < changes else 0))


def _row(chance: random.Random, start: datetime, accounts: int, more_micros: int) -> list[str]:
    account, resource = chance.randrange(accounts), chance.randrange(accounts * 5)
    category, service, unit = SERVICES[resource % len(SERVICES)]
    micros, quantity = chance.randrange(100, 90_000) + more_micros, chance.randrange(1, 10**9)
    cost, used = f"0.{micros:06d}", f"{quantity // 10**6}.{quantity % 10**6:06d}"
    tags = json.dumps(
        {
            "application": f"app-{resource % 300}",
            "environment": "prod",
            "team": f"team-{account:05d}",
        }
    )
    at = f"{start:%Y-%m-%dT%H}:00:00Z"
    until = f"{start + timedelta(hours=1):%Y-%m-%dT%H}:00:00Z"
    return [
        "eu-west-1a", cost, "1234567890123", "SunBird", "USD", "2026-11-01T00:00:00Z", "2026-10-01T00:00:00Z",
        "Usage", "", f"$0.40 per {unit} of {service}", "Usage-Based", until, at, "", used,
        unit, cost, "0.4", cost, "Cloud Inc.", cost,
        "0.4", "Standard", used, unit, "Cloud", "Cloud Inc.",
        "eu-west-1", "EU (Ireland)",
        f"arn:cloud:{service}:{account:05d}:resource/{resource:08x}", "", "", category, service,
        f"SKU{resource % 40}", f"SKU{resource % 40}.P1", f"{account:012d}", f"Account {account}", tags,
    ]  # fmt: skip
