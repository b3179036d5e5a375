"""LiteLLM's spend log, read from LiteLLM's own Postgres with a role that may only read.

Owns the query and the way through it: pages along the index on ("startTime", request_id), each in a
transaction of its own, so that a long read holds no snapshot open in a busy database. What is written
behind the page meanwhile arrives late like any late row: the next sync looks back for it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from chargeback.errors import Invalid
from chargeback.sources.contract import Refusal, Usage, Window, World
from chargeback.sources.foreign_postgres import PgConnection, page, reading
from chargeback.sources.litellm_rows import (
    COLUMNS,
    HEALTH_CHECKS,
    INCLUDE_HEALTH_CHECKS,
    METADATA,
    OWNER_TAG,
    OWNER_TAG_EXPECTED,
    TAGS,
    LiteLlm,
    LiteLlmRows,
)
from chargeback.sources.secret_names import named_secret
from chargeback.sources.source_config import (
    BlockName,
    SourceConfig,
    VariableName,
    refuse_two_places,
)

TABLE = "LiteLLM_SpendLogs"
# Columns that can hold a prompt or an answer (messages, response, proxy_server_request) are never named.
_CASTS = {"spend": '"spend"::text AS "spend"'}
_FROM_METADATA = (
    *(f'"metadata"->>\'{key}\' AS "{key}"' for key in METADATA),
    f'"metadata"->\'{TAGS}\'->>%(tag)s AS "{TAGS}"',
)
_COLUMNS_HELD = """SELECT column_name FROM information_schema.columns
    WHERE table_schema = %(schema)s AND table_name = %(table)s"""


class LiteLlmDbConfig(SourceConfig):
    """Where LiteLLM's database is, by the name of the secret that holds its address."""

    expected: ClassVar[Mapping[str, str]] = {
        **SourceConfig.expected,
        "dsn_env": "write the name of the environment variable that holds the database's address",
        "dsn_block": "write the name of the Prefect Secret block that holds the database's address",
        "database_schema": "write the name of a schema",
        "owner_tag": OWNER_TAG_EXPECTED,
    }

    dsn_env: VariableName | None = Field(
        None, description="Environment variable that holds the database's address."
    )
    dsn_block: BlockName | None = Field(None, description="Prefect Secret block that does instead.")
    database_schema: str = Field("public", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    owner_tag: str | None = OWNER_TAG
    include_health_checks: bool = INCLUDE_HEALTH_CHECKS
    page_rows: int = Field(5_000, ge=1, le=100_000, description="Rows fetched at a time.")

    @model_validator(mode="after")
    def _is_one_address(self) -> Self:
        refuse_two_places(self.dsn_env, self.dsn_block, "dsn")
        if not (self.dsn_env or self.dsn_block):
            raise ValueError("give `dsn_env` or `dsn_block`: where the database's address is")
        return self


class LiteLlmDb(LiteLlm):
    """LiteLLM's database as a source of usage: one event per request."""

    kind: ClassVar[str] = "litellm_db"
    config_class: ClassVar[type[SourceConfig]] = LiteLlmDbConfig

    def __init__(self, config: LiteLlmDbConfig, world: World) -> None:
        super().__init__(LiteLlmRows(config.owner_tag, config.currency))
        self.config = config
        self._world = world

    def read(self, window: Window) -> Iterator[Usage | Refusal]:
        """The window's requests by their start, whatever else is written meanwhile."""
        dsn = named_secret(self._world, self.config.dsn_env, self.config.dsn_block, "dsn") or ""
        timeout = max(2, int(self._world.timeout_seconds))
        with reading(dsn, self._name, timeout) as connection:
            for position, row in enumerate(self._rows(connection, window), 1):
                yield self._log.usage(position, row)

    @property
    def _name(self) -> str:
        return self.config.dsn_env or f"the block {self.config.dsn_block}"

    def _rows(self, connection: PgConnection, window: Window) -> Iterator[dict[str, Any]]:
        first, further = self._statements(connection)
        values = {
            "start": _naive(window.start), "end": _naive(window.end), "tag": self.config.owner_tag,
            "not_billed": [] if self.config.include_health_checks else list(HEALTH_CHECKS),
            "rows": self.config.page_rows,
        }  # fmt: skip
        found = page(connection, self._name, first, values)
        while found:
            last = found[-1]
            values |= {"last_at": last["startTime"], "last_id": last["request_id"]}
            for row in found:
                yield row | {"startTime": row["startTime"].replace(tzinfo=UTC)}
            if len(found) < self.config.page_rows:
                return
            found = page(connection, self._name, further, values)

    def _statements(self, connection: PgConnection) -> tuple[str, str]:
        """The SELECT of the first page and that of every further one."""
        columns = self._columns(connection)
        where = """ WHERE (%(end)s::timestamp IS NULL OR "startTime" < %(end)s)
            AND "api_key" <> ALL (%(not_billed)s::text[])"""
        start = ' AND (%(start)s::timestamp IS NULL OR "startTime" >= %(start)s)'
        after = ' AND ("startTime", "request_id") > (%(last_at)s, %(last_id)s)'
        order = ' ORDER BY "startTime", "request_id" LIMIT %(rows)s'
        table = f'"{self.config.database_schema}"."{TABLE}"'
        select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names from here, a schema's name checked
        return f"{select}{where}{start}{order}", f"{select}{where}{after}{order}"

    def _columns(self, connection: PgConnection) -> list[str]:
        place = {"schema": self.config.database_schema, "table": TABLE}
        held = page(connection, self._name, _COLUMNS_HELD, place)
        names = {row["column_name"] for row in held}
        if not names:
            raise Invalid(
                "source_answer",
                f"The Postgres of {self._name} shows no table {TABLE} in the schema "
                f"{self.config.database_schema}; name LiteLLM's own database and grant its role SELECT on it.",
            )
        # Versions before a column was added are read without it.
        held_columns = [_CASTS.get(name, f'"{name}"') for name in COLUMNS if name in names]
        return [*held_columns, *_FROM_METADATA]


def _naive(instant: datetime | None) -> datetime | None:
    """LiteLLM keeps UTC in columns without a zone."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)
