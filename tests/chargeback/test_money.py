"""Every cent is somewhere: splitting, entering, rounding and reading of numbers."""

import pickle
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargeback import money
from chargeback.errors import Invalid
from chargeback.money import NegativeWeight, NothingToSplitBy, apportion, decimal_of, split

AMOUNTS = st.integers(-(10**38), 10**38)
WEIGHTS = st.dictionaries(
    st.text("abcdé", max_size=4),
    st.integers(0, 10**20) | st.integers(0, 3),
    min_size=1,
    max_size=30,
).filter(lambda weights: any(weights.values()))
LEDGER_AMOUNTS = st.integers(-(10**24), 10**24).map(lambda units: Decimal(units).scaleb(-18))


# Splitting.


def test_a_hundred_in_three_gives_the_odd_unit_to_the_smallest_key() -> None:
    assert split(100, {"c": 1, "a": 1, "b": 1}) == {"a": 34, "b": 33, "c": 33}


def test_the_odd_unit_goes_to_the_largest_remainder_first() -> None:
    # Of 10 by 3:3:1 the exact parts are 4 2/7, 4 2/7 and 1 3/7.
    assert split(10, {"a": 3, "b": 3, "c": 1}) == {"a": 4, "b": 4, "c": 2}


def test_who_weighs_nothing_gets_nothing() -> None:
    assert split(7, {"a": 0, "b": 2}) == {"a": 0, "b": 7}


def test_a_credit_is_split_as_the_cost_it_takes_back() -> None:
    assert split(-100, {"a": 1, "b": 1, "c": 1}) == {"a": -34, "b": -33, "c": -33}


def test_sixty_dollars_split_by_99_995_percent_lose_nothing() -> None:
    # 60 x 60000/99995 = 36.001800090004500225|0112...; b has the larger remainder, 0.9887....
    parts = split(60 * money.UNIT, {"a": 60_000, "b": 39_995})
    assert parts == {"a": 36_001800090004500225, "b": 23_998199909995499775}
    assert sum(parts.values()) == 60 * money.UNIT


def test_without_any_weight_there_is_nothing_to_split_by() -> None:
    with pytest.raises(NothingToSplitBy, match="All 2 weights are zero"):
        split(1, {"a": 0, "b": 0})
    with pytest.raises(NothingToSplitBy):
        split(0, {})


def test_nobody_bears_less_than_nothing() -> None:
    with pytest.raises(NegativeWeight, match="'b' has the weight -1; give zero or more"):
        split(1, {"a": 0, "b": -1})


def test_a_refused_split_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(NothingToSplitBy("nothing_to_split_by", "No.")))  # noqa: S301
    assert (type(error), error.code, str(error)) == (NothingToSplitBy, "nothing_to_split_by", "No.")


@settings(max_examples=500, deadline=None)
@given(AMOUNTS, WEIGHTS)
def test_parts_add_up_and_each_is_less_than_a_unit_from_exact(
    amount: int, weights: dict[str, int]
) -> None:
    parts = split(amount, weights)
    whole = sum(weights.values())
    assert parts.keys() == weights.keys()
    assert sum(parts.values()) == amount
    for key, weight in weights.items():
        assert abs(parts[key] - Fraction(amount * weight, whole)) < 1
        assert weight or parts[key] == 0


@settings(max_examples=200, deadline=None)
@given(AMOUNTS, WEIGHTS, st.randoms(use_true_random=False), st.integers(1, 10**18))
def test_a_split_depends_on_neither_order_nor_sign_nor_the_unit_of_the_weights(
    amount: int, weights: dict[str, int], random: object, scale: int
) -> None:
    shuffled = list(weights.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = split(amount, weights)
    assert split(amount, {key: weight * scale for key, weight in shuffled}) == parts
    assert split(-amount, weights) == {key: -part for key, part in parts.items()}


# Units and exact sums.


def test_units_count_the_eighteenth_decimal() -> None:
    assert money.units(Decimal("-1.000000000000000001")) == -(10**18) - 1
    assert money.units(Decimal("1E+3")) == 10**21


@pytest.mark.parametrize("lossy", ["0.0000000000000000001", "1.5E-18"])
def test_units_refuse_a_nineteenth_decimal(lossy: str) -> None:
    with pytest.raises(Invalid, match="more than 18 decimals") as refused:
        money.units(Decimal(lossy))
    assert refused.value.code == "too_many_decimals"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_units_refuse_what_is_no_number(word: str) -> None:
    with pytest.raises(Invalid):
        money.units(Decimal(word))


@given(st.integers(-(10**60), 10**60))
def test_units_and_amounts_are_the_same_thing(units: int) -> None:
    assert money.units(money.amount(units)) == units


def test_sums_keep_the_tail_that_the_default_context_loses() -> None:
    amounts = [Decimal("99999999999999999.000000000001"), Decimal("0.000000000001")]
    assert money.exact_sum(amounts) == Decimal("99999999999999999.000000000002")
    assert money.exact_sum([]) == 0


def test_three_times_a_tenth_is_three_tenths() -> None:
    assert str(money.exact_sum([Decimal("0.1")] * 3)) == "0.3"


# Entering.


@pytest.mark.parametrize(
    ("raw", "kept", "residual"),
    [
        ("5.50", "5.5", "0"),
        ("4E-13", "0.0000000000004", "0"),
        # Half-even: a tie goes to the even neighbour, above and below zero.
        ("5E-19", "0", "5E-19"),
        ("1.5E-18", "2E-18", "-5E-19"),
        ("2.5E-18", "2E-18", "5E-19"),
        ("-2.5E-18", "-2E-18", "-5E-19"),
        # A float printed in full: ...005|5511 is nearer to ...006.
        (
            "0.1000000000000000055511151231257827",
            "0.100000000000000006",
            "-0.0000000000000000004488848768742173",
        ),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999", "0"),
    ],
)
def test_what_enters_is_what_is_kept_plus_the_residual(raw: str, kept: str, residual: str) -> None:
    assert money.enter(Decimal(raw)) == (Decimal(kept), Decimal(residual))


@pytest.mark.parametrize("raw", ["-0", "-0.0", "-1E-30", "0E+50"])
def test_minus_zero_becomes_zero(raw: str) -> None:
    kept, _ = money.enter(Decimal(raw))
    assert f"{kept:f}" == "0.000000000000000000"


@pytest.mark.parametrize("raw", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_nan_and_infinities_never_enter(raw: str) -> None:
    with pytest.raises(Invalid) as refused:
        money.enter(Decimal(raw))
    assert refused.value.code == "not_a_number"


@pytest.mark.parametrize(
    "raw",
    [
        "1E+20",
        "-100000000000000000000",
        "1E+400",
        "99999999999999999999.9999999999999999995",
        "1E-16384",
        "1E-9999999",
        "1E+9999999",
    ],
)
def test_what_the_ledger_cannot_hold_is_refused(raw: str) -> None:
    with pytest.raises(money.OutOfRange, match="up to 20 digits before the point") as refused:
        money.enter(Decimal(raw))
    assert refused.value.code == "out_of_range"
    assert len(str(refused.value)) < 250


def test_the_smallest_residual_postgres_holds_enters() -> None:
    assert money.enter(Decimal("1E-16383")) == (Decimal(0), Decimal("1E-16383"))
    with pytest.raises(money.OutOfRange, match=r"^1E\+20 is out of range; "):
        money.enter(Decimal("1E+20"))


@settings(max_examples=500, deadline=None)
@given(st.integers(-(10**119), 10**119), st.integers(100, 130))
def test_nothing_is_lost_on_entry_whatever_the_digits(digits: int, decimals: int) -> None:
    raw = Decimal(digits).scaleb(-decimals, Context(prec=200))
    kept, residual = money.enter(raw)
    assert Fraction(kept) + Fraction(residual) == Fraction(raw)
    assert abs(Fraction(residual)) <= Fraction(1, 2 * 10**18)
    assert money.fits(kept)
    # A bare minus would round to 28 digits.
    assert money.enter(raw.copy_negate()) == (kept.copy_negate(), residual.copy_negate())


@pytest.mark.parametrize(
    ("amount", "does"),
    [
        ("99999999999999999999.999999999999999999", True),
        ("-0.000000000000000001", True),
        ("1E+20", False),
        ("1E-19", False),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_what_fits_the_ledgers_columns_is_known(amount: str, does: bool) -> None:
    assert money.fits(Decimal(amount)) is does


# Money on paper.


@pytest.mark.parametrize(
    ("exact", "currency", "printed"),
    [
        ("1.005", "USD", "1.01"),
        ("-0.125", "USD", "-0.13"),
        ("1.004999999999999999", "USD", "1.00"),
        ("0.5", "JPY", "1"),
        ("2.5", "JPY", "3"),
        ("1.0005", "BHD", "1.001"),
        ("-0.004", "USD", "0.00"),
        ("99999999999999999999.995", "USD", "100000000000000000000.00"),
    ],
)
def test_money_is_rounded_half_away_from_zero(exact: str, currency: str, printed: str) -> None:
    assert str(money.to_money(Decimal(exact), currency)) == printed


def test_currencies_have_their_own_decimals() -> None:
    assert [money.minor_digits(currency) for currency in ("USD", "JPY", "BHD")] == [2, 0, 3]


@pytest.mark.parametrize(
    ("currency", "hint"), [("usd", "write 'USD'"), ("XXX", "like 'USD'"), ("ZZZ", "like 'USD'")]
)
def test_what_is_no_currency_is_refused(currency: str, hint: str) -> None:
    with pytest.raises(Invalid, match=hint) as refused:
        money.minor_digits(currency)
    assert refused.value.code == "currency_unknown"


def _printed(lines: list[str], total: str, currency: str = "USD") -> list[str]:
    return [str(line) for line in apportion([*map(Decimal, lines)], Decimal(total), currency)]


@pytest.mark.parametrize(
    ("lines", "total", "printed"),
    [
        ([], "0.00", []),
        (["0.004", "0.004", "0.004"], "0.01", ["0.01", "0.00", "0.00"]),
        # A line of whole cents stays; of two equal remainders the first printed is raised.
        (["1.00", "0.335", "0.335"], "1.67", ["1.00", "0.34", "0.33"]),
        (["-1.00", "-0.335", "-0.335"], "-1.67", ["-1.00", "-0.34", "-0.33"]),
        # 10.006 - 3.003 = 7.003; -3.003 lies 0.7 above -3.01, 10.006 only 0.6 above 10.00.
        (["10.006", "-3.003"], "7.00", ["10.00", "-3.00"]),
        (["0.006", "-0.006"], "0.00", ["0.01", "-0.01"]),
        (["0.005", "-0.005"], "0.00", ["0.01", "-0.01"]),
    ],
)
def test_printed_lines_add_up_to_the_subtotal(
    lines: list[str], total: str, printed: list[str]
) -> None:
    assert _printed(lines, total) == printed


def test_a_thousand_lines_of_1_004_print_400_odd_cents() -> None:
    printed = _printed(["1.004"] * 1000, "1004.00")
    assert (printed.count("1.01"), printed.count("1.00")) == (400, 600)


def test_lines_in_yen_are_whole_yen() -> None:
    assert _printed(["0.5", "0.5"], "1", "JPY") == ["1", "0"]


@pytest.mark.parametrize("total", ["1.01", "0.99", "1.005"])
def test_a_total_of_other_lines_is_our_own_mistake(total: str) -> None:
    with pytest.raises(AssertionError, match="is not the rounded sum of the lines, 1"):
        _printed(["1"], total)


@settings(max_examples=300, deadline=None)
@given(st.lists(LEDGER_AMOUNTS | st.integers(-9, 9).map(Decimal), max_size=30))
def test_lines_are_apportioned_within_a_cent_and_credits_mirror_them(lines: list[Decimal]) -> None:
    exact = money.exact_sum(lines)
    total = money.to_money(exact, "USD")
    printed = apportion(lines, total, "USD")
    assert money.exact_sum(printed) == total
    for line, paper in zip(lines, printed, strict=True):
        assert abs(Fraction(paper) - Fraction(line)) < Fraction(1, 100)
        assert paper == line or money.to_money(line, "USD") != line
    if total:
        mirrored = apportion([-line for line in lines], -total, "USD")
        assert mirrored == [-paper for paper in printed]


@given(LEDGER_AMOUNTS)
def test_rounding_to_money_moves_half_a_cent_at_most_and_is_symmetric(exact: Decimal) -> None:
    printed = money.to_money(exact, "USD")
    assert abs(Fraction(printed) - Fraction(exact)) <= Fraction(1, 200)
    assert money.to_money(-exact, "USD") == -printed
    assert money.to_money(printed, "USD") == printed


# Reading numbers.


@pytest.mark.parametrize(
    ("given_number", "number"),
    [
        ("5.50", "5.50"),
        ("-5", "-5"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1e5", "1E+5"),
        ("4E-13", "4E-13"),
        (7, "7"),
        (Decimal("1.10"), "1.10"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_plain_numbers_are_read_digit_for_digit(
    given_number: str | int | Decimal, number: str
) -> None:
    assert str(decimal_of(given_number)) == str(Decimal(number))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("5,50", "write a decimal point"),
        ("1,234.50", "no thousands separator"),
        ("1_000", "without underscores"),
        ("٣٤", "with the digits 0 to 9"),
        ("NaN", "write a finite number"),
        ("-Infinity", "write a finite number"),
        ("$5", "like 1234.50"),
        ("(5.00)", "like 1234.50"),
        (" 5", "like 1234.50"),
        ("5\n", "like 1234.50"),
        ("1e9999999999", "like 1234.50"),
        ("9" * 500 + "x", r"9\.\.\. is no number"),
    ],
)
def test_what_is_no_plain_number_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(Invalid, match=hint) as refused:
        decimal_of(text)
    assert refused.value.code == "not_a_number"


@pytest.mark.parametrize("given_value", [True, False, None, [], {}, Decimal("NaN")])
def test_what_json_may_hold_besides_numbers_is_refused(given_value: object) -> None:
    with pytest.raises(Invalid, match="is no number; write a finite one"):
        decimal_of(given_value)


def test_a_float_is_our_own_mistake() -> None:
    with pytest.raises(TypeError, match=r"0\.1 is a float"):
        decimal_of(0.1)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("2.50E-18", "0.0000000000000000025"),
        ("1.10", "1.1"),
        ("-3E+2", "-300"),
        ("0E-18", "0"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    ],
)
def test_an_amount_is_written_with_every_digit_and_no_exponent(amount: str, text: str) -> None:
    assert money.written(Decimal(amount)) == text
