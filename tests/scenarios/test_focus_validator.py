"""Our FOCUS exports under the official validator, where that is installed (it needs Python 3.12).

Source: focus-validator 2.2.1, which brings the rules of FOCUS 1.2. https://github.com/finopsfoundation
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chargeback.documents.finance_files import FILES
from chargeback.periods import Period
from chargeback.settings import settings
from tasks.publish_finance import finance_of
from tests.conftest import Ledger
from tests.faults.month import MONTH, STEPS, open_books, write_export

VALIDATOR = shutil.which("focus-validator")
# The validator cannot know which charge is on an invoice: it asks of every row both that InvoiceId is null and that
# it is not, and files in which some charges are billed and some are not always break these.
CANNOT_HOLD = {"InvoiceId-C-000-O", "InvoiceId-C-003-C", "InvoiceId-C-004-C", "InvoiceId-C-005-C"}


@pytest.mark.skipif(VALIDATOR is None, reason="focus-validator is not installed")
@pytest.mark.parametrize("name", ["focus-allocations", "focus-invoices"])
def test_the_official_validator_finds_nothing(name: str, ledger: Ledger, tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    write_export(export, MONTH)
    open_books(export)
    for step in STEPS.values():
        step()
    file = tmp_path / f"{name}.csv"
    file.write_bytes(FILES[name][1](finance_of(Period.month("2026-10")), settings()))
    told = validated(file)
    assert told.count(": PASS") > 130
    assert set(re.findall(r"(\S+): FAIL", told)) <= CANNOT_HOLD


def validated(file: Path) -> str:
    """What the validator says. It opens its tables by paths relative to where it is installed."""
    assert VALIDATOR is not None
    python = Path(VALIDATOR).parent / "python"
    where = (
        "import focus_validator, pathlib; print(pathlib.Path(focus_validator.__file__).parents[1])"
    )
    home = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout
    command = [
        VALIDATOR,
        "--data-file",
        str(file),
        "--validate-version",
        "1.2.0.1",
        "--block-download",
    ]
    done = subprocess.run(
        command, cwd=home.strip(), check=False, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return f"{done.stdout}\n{done.stderr}"
