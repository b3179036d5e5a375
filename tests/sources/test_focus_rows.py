"""What a row of a FOCUS export means, in every version, and how its refusal reads."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal, Scope, Scoped, Usage
from chargeback.sources.focus_config import FocusConfig
from chargeback.sources.focus_rows import FocusRows

ROW = {
    "BilledCost": "10.00", "EffectiveCost": "8.00", "ContractedCost": "9.00", "ListCost": "12.00",
    "BillingAccountId": "0123", "SubAccountId": "77", "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargePeriodStart": "2026-10-05T10:00:00Z", "ChargeCategory": "Usage", "ServiceCategory": "Compute",
    "ServiceName": "Virtual Machines", "SkuId": "S1", "SkuPriceId": "S1.P1", "ResourceId": "vm-1",
    "ConsumedQuantity": "2.5", "ConsumedUnit": "Hours", "PricingQuantity": "3", "PricingUnit": "Hour",
    "Tags": '{"team": "search", "User": "ana", " org": "trey", "live": true}',
}  # fmt: skip
Changes = Mapping[str, str | None]
NEWER = {"ServiceProviderName": "Cloud", "HostProviderName": "Cloud", "ProviderName": None}


def read(changes: Changes | None = None, **config: Any) -> Scoped:
    """The one row, with `changes` (None: the table does not have the column), in a table of its columns."""
    row = {name: cell for name, cell in ({**ROW, **(changes or {})}).items() if cell is not None}
    rows = FocusRows(list(row), FocusConfig.of("focus", {"path": "x"} | config), "USD", "x.csv")
    return rows.row(2, list(row.values()))


def usage(changes: Changes | None = None, **config: Any) -> Usage:
    found = read(changes, **config).row
    assert isinstance(found, Usage), found
    return found


def refusal(changes: Changes | None = None, **config: Any) -> Refusal:
    found = read(changes, **config).row
    assert isinstance(found, Refusal), found
    return found


def test_a_row_becomes_usage_of_its_scope() -> None:
    scoped = read(team_tag="team", user_tag="user", owner_tag="org")
    assert scoped.scope == Scope(date(2026, 10, 1), date(2026, 11, 1), "0123/77")
    found = scoped.row
    assert isinstance(found, Usage)
    assert (found.team_id, found.user_id, found.owner_tag) == ("search", "ana", "org=trey")
    assert (found.account_id, found.agent_id, found.sku) == ("77", "vm-1", "S1.P1")
    assert (found.resource_type, found.unit, found.quantity) == (
        "Virtual Machines",
        "Hours",
        Decimal("2.5"),
    )
    assert (found.cost, found.currency, found.external_id) == (Decimal(8), None, "")
    assert (found.usage_date, found.charge_date) == (date(2026, 10, 5), date(2026, 10, 5))


@pytest.mark.parametrize(
    ("metric", "cost"),
    [("BilledCost", "10"), ("EffectiveCost", "8"), ("ContractedCost", "9"), ("ListCost", "12")],
)
def test_each_of_the_four_costs_may_be_charged(metric: str, cost: str) -> None:
    assert usage(cost_metric=metric).cost == Decimal(cost)


@pytest.mark.parametrize(
    "version",
    [
        pytest.param({"ProviderName": "Cloud", "PublisherName": "Cloud", "Id": "1"}, id="1.0"),
        pytest.param({"ProviderName": "Cloud", "CommitmentDiscountQuantity": ""}, id="1.1"),
        pytest.param(
            {"ProviderName": "Cloud", "InvoiceId": "I-1", "SubAccountType": "Account"}, id="1.2"
        ),
        pytest.param(
            {"ProviderName": "Cloud", "AllocatedTags": "", "AllocatedResourceId": ""}, id="1.3"
        ),
        pytest.param(NEWER | {"x_Own": "1"}, id="1.4"),
    ],
)
def test_every_version_says_the_same_of_the_same_charge(version: dict[str, str | None]) -> None:
    assert usage(version, team_tag="team") == usage(team_tag="team")


def test_columns_are_found_in_any_order_and_case() -> None:
    names = sorted(ROW, reverse=True)
    config = FocusConfig.of("focus", {"path": "x"})
    rows = FocusRows([name.upper() for name in names], config, "USD", "x")
    assert rows.row(2, [ROW[name] for name in names]).row == usage()


@pytest.mark.parametrize("word", ["", "NULL", "null", "Null", "(null)"])
def test_null_words_mean_that_nothing_is_there(word: str) -> None:
    empty = dict.fromkeys(
        ("SubAccountId", "SkuPriceId", "ResourceId", "ConsumedQuantity", "Tags"), word
    )
    found = usage(empty, team_tag="team")
    assert (found.account_id, found.sku, found.agent_id, found.team_id) == (
        "0123",
        "S1",
        None,
        None,
    )
    assert (found.quantity, found.unit) == (Decimal(3), "Hour")


def test_null_words_may_be_configured_and_names_like_na_are_kept() -> None:
    assert usage({"ResourceId": "NA"}).agent_id == "NA"
    assert usage({"ResourceId": "n/a"}, null_words="n/a,").agent_id is None


def test_a_row_without_a_quantity_is_one_charge() -> None:
    nothing = dict.fromkeys(("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit"))
    assert (usage(nothing).quantity, usage(nothing).unit) == (Decimal(1), "Charge")


def test_a_row_without_a_service_is_of_its_category() -> None:
    assert usage({"ServiceName": None}).resource_type == "Compute"
    tax = {"ServiceName": "", "ServiceCategory": "", "ChargeCategory": "Tax"}
    assert usage(tax).resource_type == "Tax"
    assert usage(resource_type="ServiceCategory").resource_type == "Compute"


def test_what_was_committed_to_and_not_used_is_a_type_of_its_own() -> None:
    found = usage({"CommitmentDiscountStatus": "Unused"})
    assert found.resource_type == "Virtual Machines, unused commitment"
    assert usage({"CommitmentDiscountStatus": "Used"}).resource_type == "Virtual Machines"


def test_a_split_cost_is_of_the_resource_and_the_tags_it_was_split_by() -> None:
    split = {"AllocatedResourceId": "pod-9", "AllocatedTags": '{"team": "etl"}'}
    found = usage(split, team_tag="team", user_tag="user")
    assert (found.agent_id, found.team_id, found.user_id) == ("pod-9", "etl", "ana")


@pytest.mark.parametrize(
    ("written", "cost"),
    [("1.5E-7", "0.00000015"), ("8e-07", "0.0000008"), ("-12", "-12"), ("0.00000080000", "0.0000008"),
     ("1.0000000000000000004", "1.0000000000000000004")],
)  # fmt: skip
def test_every_digit_of_a_cost_is_read(written: str, cost: str) -> None:
    assert usage({"EffectiveCost": written}).cost == Decimal(cost)


@pytest.mark.parametrize(
    ("written", "cost"),
    [("$10,000.00 ", "10000"), ("-$5.50", "-5.5"), ("1,234,567", "1234567"), ("0.00 ", "0")],
)
def test_amounts_as_spreadsheets_write_them_are_read_where_that_is_configured(
    written: str, cost: str
) -> None:
    assert usage({"EffectiveCost": written}, numbers="us").cost == Decimal(cost)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"EffectiveCost": "NULL"}, "cost_missing", "EffectiveCost is missing; write 0"),
        ({"EffectiveCost": "$1,234.50"}, "number_invalid", "set the source's `numbers` to us"),
        ({"EffectiveCost": "NaN"}, "number_invalid", "write a finite number"),
        ({"EffectiveCost": "1" + "0" * 20}, "number_invalid", "out of range"),
        ({"ConsumedQuantity": "two"}, "number_invalid", "ConsumedQuantity"),
        ({"BillingPeriodStart": "9/1/26"}, "date_ambiguous", "set the source's `dates`"),
        ({"ChargePeriodStart": ""}, "time_missing", "ChargePeriodStart is missing"),
        ({"ResourceId": "a\0b"}, "name_invalid", "ResourceId has a NUL"),
        ({"SubAccountId": "x" * 256}, "name_invalid", "SubAccountId has 256 characters; give 255"),
        ({"BillingCurrency": "dollars"}, "currency_invalid", "no code like USD"),
        ({"Tags": '{"team": "sea'}, "tags_invalid", "Tags is no JSON object"),
    ],
)
def test_a_row_that_cannot_be_booked_says_why(
    changes: dict[str, str | None], code: str, said: str
) -> None:
    found = refusal(changes, team_tag="team")
    assert (found.code, found.position) == (code, 2)
    assert said in found.reason
    assert found.row["ServiceName"] == "Virtual Machines"


def test_a_refused_row_keeps_its_scope_and_cost_where_they_can_be_read() -> None:
    scoped = read({"ConsumedQuantity": "two"})
    assert scoped.scope == Scope(date(2026, 10, 1), date(2026, 11, 1), "0123/77")
    assert isinstance(scoped.row, Refusal)
    assert scoped.row.raw_cost == Decimal(8)
    assert read({"BillingPeriodStart": "soon"}).scope is None


def test_tags_that_nobody_asked_for_may_be_broken() -> None:
    assert usage({"Tags": "{"}).team_id is None


def test_tags_are_found_whatever_their_case_and_the_space_around_them() -> None:
    tags = '{" org": "spaced", "org": "exact", "N": 5, "none": null, "live": true}'
    assert usage({"Tags": tags}, owner_tag="ORG").owner_tag == "ORG=exact"
    assert usage({"Tags": tags}, team_tag="n").team_id == "5"
    assert usage({"Tags": tags}, team_tag="live").team_id == "true"
    assert usage({"Tags": tags}, team_tag="none").team_id is None


def test_another_currency_is_told() -> None:
    assert usage({"BillingCurrency": "EUR"}).currency == "EUR"
    assert usage({"BillingCurrency": ""}, currency="EUR").currency == "EUR"


def test_a_scope_may_be_the_whole_billing_account() -> None:
    scoped = read(scope="BillingAccountId")
    assert scoped.scope is not None
    assert scoped.scope.account == "0123"
    assert isinstance(scoped.row, Usage)
    assert scoped.row.account_id == "77"


def test_a_table_without_the_columns_it_is_charged_by_is_no_export() -> None:
    with pytest.raises(Invalid, match="no column ListCost, so it is no FOCUS export"):
        read({"ListCost": None}, cost_metric="ListCost")
    with pytest.raises(Invalid, match="no column BillingPeriodEnd"):
        read({"BillingPeriodEnd": None})
    with pytest.raises(Invalid, match="names the column 'tags' twice"):
        read({"tags": "{}"})
