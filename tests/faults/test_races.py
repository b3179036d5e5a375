"""The same month billed by several processes at once: one effect, and no database error in what is said.

The functions of the tasks run in processes of their own, without the retries that Prefect adds, so every
collision shows; then the deployed flow runs twice at once.
"""

import multiprocessing
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from chargeback.errors import ChargebackError, Refused, Unavailable
from chargeback.ledger import database, issuing
from chargeback.ledger.database import transaction
from chargeback.ledger.numbers import take_numbers
from chargeback.numbering import Series
from models.enums import InvoiceStatus
from tests.faults.conftest import Month, Undisturbed, using
from tests.faults.findings import assert_readable, assert_sound, facts
from tests.faults.killed_stack import KilledStack
from tests.faults.month import ACTOR, ISSUED_ON, STEPS, SWEPT_ON
from tests.postgres import Server
