"""Every number of the catalogue of bad input is tried somewhere, under the name that the catalogue says."""

from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLACES = {
    "api": "tests/entrypoints/api/bad_input.py",
    "billing": "tests/entrypoints/api/bad_rules_and_invoices.py",
    "files": "tests/sources/bad_files.py",
    "parquet": "tests/sources/bad_parquet.py",
    "forms": "tests/flows/test_bad_parameters.py",
}


def catalogue() -> dict[int, list[str]]:
    text = (HERE / "bad_input.yaml").read_text("utf-8")
    # Every word is a text: among them are dates and numbers that cannot be.
    read = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts
    return {int(number): row for number, row in read.items()}


def test_the_catalogue_is_whole_and_each_case_says_what_is_answered() -> None:
    assert list(catalogue()) == list(range(1, 179))
    assert all(len(row) == 4 and all(row) for row in catalogue().values())


def test_each_case_is_tried_where_the_catalogue_says() -> None:
    missing = {
        number: f"{name} in {place}"
        for number, (_, place, name, _) in catalogue().items()
        if name not in (ROOT / PLACES.get(place, place)).read_text("utf-8")
    }
    assert missing == {}
