"""The payers file: what it names is made so, once; what cannot be is refused whole."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chargeback.errors import Invalid, NotFound, Refused
from chargeback.ledger import payers, rulebook
from chargeback.ledger.database import transaction
from chargeback.ledger.payers import ImportCounts
from chargeback.payer import Payer
from tests.ledger.books import Books

NOTHING = ImportCounts()


def check_known(payer: Payer) -> None:
    with transaction() as connection:
        payers.check_known(connection, payer)


def state(books: Books) -> list[Any]:
    return books.query(
        """SELECT (SELECT count(*) FROM teams), (SELECT count(*) FROM users), (SELECT count(*) FROM memberships),
                  (SELECT count(*) FROM ownerships), (SELECT count(*) FROM allocation_rules),
                  (SELECT count(*) FROM audit_log), (SELECT count(*) FROM allocation_days WHERE is_dirty)"""
    )


def test_the_example_imported_twice_changes_nothing_the_second_time(books: Books) -> None:
    assert books.import_example() == ImportCounts(
        teams=3, users=3, memberships=3, owners=2, rules=2
    )
    books.use("team-search", "u-ana").allocate()
    before = state(books)
    assert books.import_example() == NOTHING
    assert state(books) == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("teams: [{id: a, nett_days: 3}]", "at teams.0.nett_days: Extra inputs are not permitted; nothing was changed"),
        ("teams: [{id: a}, {id: a}]", "names team 'a' twice; nothing was changed"),
        ("teams: [{id: a, tax_rate: '1.5'}]", "at teams.0.tax_rate: Input should be less than or equal to 1"),
        ("teams: [{id: a, members: [{user: u, from: 2026-10-02, to: 2026-10-01}]}]", "is not before to 2026-10-01"),
        ("teams: [{id: a, members: [{user: u}, {user: u}]}]", "two at once as member of team a 'u'"),
        ("teams: [{id: a, members: [{user: u, home: true}]}, {id: b, members: [{user: u, home: true}]}]",
         "two at once as home team of user 'u'"),
        ("owners: {agent: {x: [{team: a}, {team: b, from: 2026-10-01}]}}",
         "two at once as owner of agent 'x' on 2026-10-01"),
        ("owners: {robot: {x: [{team: a}]}}", "at owners.robot"),
        ("teams: [{id: new}]\nrules: [{rule_id: r, rule_type: fixed_split, split_percentages: {new: 99.98}}]",
         "the percentages sum to 99.98"),
        ("teams: [{id: new}]\nrules: [{rule_id: r, rule_type: equal_split, entity_ids: [nobody]}]",
         "'nobody' is registered as neither a team nor a user"),
        ("teams: [", "is not YAML"),
        ('teams: [{id: "a\\0b"}]', "holds a NUL"),
        ('teams: [{id: a, name: "\\ud800"}]', "nothing was changed"),
        ("teams: [{id: ' a '}]", "has spaces around it"),
        ("teams: [{id: a, members: [{user: u, from: 1999-13-01}]}]", "month must be in 1..12"),
        ("owners: {account: {'': [{team: a}]}}", "is blank"),
        ("owners: {account: {x: [{team: a}], x: [{team: b}]}}", "'x' stands twice"),
    ],
)  # fmt: skip
def test_a_file_with_anything_wrong_in_it_changes_nothing(
    books: Books, bad: str, message: str
) -> None:
    books.import_yaml("teams: [{id: old}]")
    before = state(books)
    with pytest.raises(Invalid) as refused:
        books.import_yaml(bad)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert state(books) == before


def test_a_user_at_home_in_a_team_outside_the_file_is_refused_by_name(books: Books) -> None:
    books.import_yaml("teams: [{id: a, members: [{user: ana, home: true}]}]")
    before = state(books)
    with pytest.raises(
        Refused, match="user 'ana' is at home in team 'a' on days for which the file says team 'b'"
    ):
        books.import_yaml("teams: [{id: b, members: [{user: ana, home: true}]}]")
    assert state(books) == before


def test_a_user_moves_home_within_one_file(books: Books) -> None:
    books.import_yaml("teams: [{id: a, members: [{user: ana, home: true}]}]")
    counts = books.import_yaml(
        "teams: [{id: a, members: [{user: ana, home: true, to: 2026-10-16}]},"
        " {id: b, members: [{user: ana, home: true, from: 2026-10-16}]}]"
    )
    assert counts == ImportCounts(teams=1, memberships=2)
    books.use(None, "ana", "1.00", "2026-10-15").use(None, "ana", "2.00", "2026-10-16").allocate()
    assert books.total_by_payer() == {("a", "ana"): Decimal(1), ("b", "ana"): Decimal(2)}


def test_what_a_file_does_not_name_stays(books: Books) -> None:
    books.import_yaml("teams: [{id: a, cost_center: CC-1, net_days: 14, members: [{user: ana}]}]")
    assert books.import_yaml("teams: [{id: a, contact: a@b}]") == ImportCounts(teams=1)
    with transaction() as connection:
        (team,) = payers.teams(connection)
    assert (team.cost_center, team.net_days, team.contact, team.member_count) == (
        "CC-1",
        14,
        "a@b",
        1,
    )


def test_a_rule_with_dates_and_numbers_in_its_metadata_is_kept_and_the_same_the_next_time(
    books: Books,
) -> None:
    content = "rules: [{rule_id: r, rule_type: by_usage, allocation_metadata: {since: 2026-10-01, share: 1.50, n: 3}}]"
    assert books.import_yaml(content).rules == 1
    assert books.import_yaml(content) == NOTHING
    with transaction() as connection:
        (kept,) = rulebook.current_rules(connection)
    assert kept.rule.metadata == {"since": "2026-10-01", "share": "1.50", "n": 3}


@pytest.mark.parametrize("metadata", ["{1: {2026-10-01: x}}", '{a: "\\0"}'])
def test_metadata_that_the_ledger_cannot_keep_is_refused(books: Books, metadata: str) -> None:
    with pytest.raises(
        Invalid, match=r"allocation_metadata is .*; write texts, numbers and lists under text keys"
    ):
        books.import_yaml(
            f"rules: [{{rule_id: r, rule_type: by_usage, allocation_metadata: {metadata}}}]"
        )


def test_owners_follow_one_another_by_date(books: Books) -> None:
    books.import_yaml(
        "owners: {agent: {x: [{team: a, to: 2026-10-16}, {team: b, from: 2026-10-16}]}}"
    )
    books.use(agent="x", cost="1.00", day="2026-10-15").use(
        agent="x", cost="2.00", day="2026-10-16"
    ).allocate()
    assert books.total_by_payer() == {("a", None): Decimal(1), ("b", None): Decimal(2)}


def test_an_import_marks_the_days_it_may_decide(books: Books) -> None:
    books.use(agent="x", cost="1.00", day="2020-10-15").allocate()
    books.import_yaml("owners: {agent: {x: [{team: a}]}}")
    assert [
        row.usage_date
        for row in books.query("SELECT usage_date FROM allocation_days WHERE is_dirty")
    ] == [date(2020, 10, 15)]


def test_an_unknown_team_is_refused_with_the_nearest_name(books: Books) -> None:
    books.use("team-search", "u-ana").load()
    with pytest.raises(
        NotFound, match=r"team 'team-serch' was never seen .* \(did you mean 'team-search'\?\)"
    ):
        check_known(Payer("team-serch"))


def test_an_unknown_user_is_refused_though_the_team_is_known(books: Books) -> None:
    books.use("team-search", "u-ana").load()
    with pytest.raises(
        NotFound, match=r"user 'u-anna' was never seen .* \(did you mean 'u-ana'\?\)"
    ):
        check_known(Payer("team-search", "u-anna"))


def test_payers_are_known_once_they_are_seen_in_usage_a_rule_or_an_import(books: Books) -> None:
    books.use("seen", "ana").load()
    books.rule({"rule_id": "r", "rule_type": "equal_split", "user_ids": ["receiver"]})
    books.import_yaml("teams: [{id: imported}]")
    for payer in (Payer("seen", "ana"), Payer(None, "receiver"), Payer("imported"), Payer()):
        check_known(payer)
