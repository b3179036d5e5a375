"""Where the installation's settings come from: the environment, prefix `CHARGEBACK_`, and a `.env` in the root.

Owns every knob. `chargeback.settings` and `chargeback.clock` are the only readers of the world
outside the ledger.
"""

from decimal import Decimal
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One frozen set of settings; a field `x_y` is read from `CHARGEBACK_X_Y`."""

    model_config = SettingsConfigDict(
        env_prefix="CHARGEBACK_", env_file=ROOT / ".env", extra="ignore", frozen=True
    )

    root: Path = Field(ROOT, description="The project's root, used by Prefect's pull step.")
    home: Path = Field(
        ROOT / "var", description="Where the embedded stack and the file store live."
    )
    database_url: str | None = Field(
        None, description="Postgres of the ledger, as the app role; none: the embedded one."
    )
    owner_database_url: str | None = Field(
        None,
        description="The same database as its owner, for migrations; none: the embedded one, or database_url.",
    )
    prefect_api_url: str | None = Field(
        None,
        validation_alias="PREFECT_API_URL",
        description="A Prefect server of one's own; none: the embedded one.",
    )
    prefect_auth_string: SecretStr | None = Field(
        None,
        validation_alias="PREFECT_SERVER_API_AUTH_STRING",
        description="`user:password` that the embedded Prefect server asks everybody for; none: it asks nobody.",
    )
    api_port: int = Field(5000, ge=1, le=65535, description="Port of the chargeback HTTP API.")
    api_host: str = Field(
        "127.0.0.1",
        description="Address the HTTP API listens on; any but loopback needs an API token first.",
    )
    prefect_port: int = Field(
        4200, ge=1, le=65535, description="Port of the embedded Prefect server."
    )
    billing_zone: str = Field(
        "UTC", description="Time zone of the ledger's days; fixed with the first usage."
    )
    currency: str = Field(
        "USD",
        pattern="^[A-Z]{3}$",
        description="The ledger's currency; fixed with the first usage.",
    )
    file_store: Path | None = Field(
        None, description="Folder of published files; none: `files` under home."
    )
    batch_records: int = Field(
        1_000_000, ge=1, le=1_000_000, description="Records in one usage batch, at most."
    )
    lookback_hours: int = Field(
        48, ge=0, description="How far before its cursor a sync reads again, for late usage."
    )
    snapshot_fall_percent: Decimal = Field(
        Decimal(10),
        gt=0,
        le=100,
        description="How far rows or cost of a snapshot may fall; one that fell so far waits for a person.",
    )
    unattributed_team: str | None = Field(
        None,
        description="Team that is billed for usage without owner; none: it stays unattributed.",
    )
    require_approval: bool = Field(
        False, description="Whether an invoice must be pending before it is sent."
    )
    net_days: int = Field(
        30, ge=0, le=3650, description="Days to pay where the payer has none of its own."
    )
    letterhead_name: str = Field("Chargeback", description="Who invoices are from.")
    letterhead_address: str = Field(
        "", description="Address lines of the letterhead, separated by `|`."
    )
    letterhead_contact: str = Field("", description="Who to ask, printed on invoices.")
    document_form: Literal["invoice", "statement"] = Field(
        "invoice",
        description="What documents are: invoices to be paid, or internal statements of what is booked.",
    )
    payment_details: str = Field(
        "", description="Where invoices are paid, printed on them; lines separated by `|`."
    )
    drift_percent: Decimal = Field(
        Decimal(1),
        ge=0,
        description="How far a source's total of a day may be from ours before a sync warns.",
    )
    journal_profile: str = Field(
        "neutral", description="Column map of the published journal: a name, or a YAML file."
    )
    journal_company: str = Field("Chargeback", description="Whose books the journal is for.")
    journal_expense_account: str = Field("6500", description="Account that consumers are debited.")
    journal_recovery_account: str = Field("4900", description="Account that is credited.")
    journal_tax_account: str = Field("2300", description="Account that tax is credited to.")
    journal_cost_center: str = Field(
        "SHARED", description="The provider's cost centre, which is credited."
    )
    smtp_host: str | None = Field(
        None, description="Mail server that invoices are sent through; none: no mail."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is encrypted."
    )
    smtp_user: str | None = Field(None, description="Who signs in at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="With what.")
    mail_from: str = Field(
        "chargeback@localhost", description="The address that invoices are mailed from."
    )
    webhook_url: str | None = Field(
        None, description="Where programs are told of documents; none: nowhere."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs webhooks (Standard Webhooks): whsec_ and base64."
    )
    deliver_within_days: int = Field(
        7, ge=0, description="A document issued longer ago is not sent by itself."
    )
    reminder_days: str = Field(
        "7,21",
        pattern=r"^(\d{1,4}(,\d{1,4})*)?$",
        description="Days past due of reminders, once each.",
    )
    budget_thresholds: str = Field(
        "50,80,100",
        pattern=r"^([1-9]\d{0,2}(,[1-9]\d{0,2})*)?$",
        description="Percent of a month's budget at which an event is sent, once each.",
    )
    document_processes: int = Field(
        0, ge=0, le=64, description="Processes that draw documents; 0: one per core."
    )
    documents_per_run: int = Field(
        1000, ge=1, le=100_000, description="Documents that one run draws; more are cut into runs."
    )
    pool_runs: int = Field(
        16, ge=1, le=1000, description="Flow runs at once on all workers of the pool together."
    )
    public_url: str | None = Field(
        None,
        description="Where people reach the HTTP API, for links to PDFs; none: this machine's port.",
    )
    retention_months: int = Field(
        0,
        ge=0,
        le=1200,
        description="Full months of usage records kept in Postgres; 0: all of them.",
    )
    retention_form: Literal["csv", "parquet"] = Field(
        "csv", description="What archived usage is written as; parquet needs the extra `parquet`."
    )
    source_timeout_seconds: Decimal = Field(
        Decimal(30), gt=0, description="Longest wait for a cost tracker's answer."
    )
    private_networks: str = Field(
        "",
        description="Private networks that cost trackers may be fetched from, like `10.0.0.0/8`, separated by commas.",
    )

    @field_validator("root", "home", "file_store")
    @classmethod
    def _never_below_the_working_folder(cls, path: Path | None) -> Path | None:
        return None if path is None else ROOT / path.expanduser()

    @field_validator("billing_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone!r} is no IANA time zone; write one like 'Europe/Amsterdam'")
        return zone

    @field_validator("private_networks")
    @classmethod
    def _known_networks(cls, networks: str) -> str:
        for network in _split(networks):
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network; write it like '10.0.0.0/8'") from None
        return networks

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The private networks that cost trackers may be fetched from."""
        return tuple(ip_network(network) for network in _split(self.private_networks))

    @property
    def reminder_ages(self) -> tuple[int, ...]:
        """The days past due at which a payer is reminded; none where documents are statements, which nobody pays."""
        if self.document_form == "statement":
            return ()
        return tuple(sorted(int(days) for days in self.reminder_days.split(",") if days))

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The percents of a budget at which an event is sent."""
        return tuple(sorted({int(each) for each in self.budget_thresholds.split(",") if each}))

    @property
    def zone(self) -> ZoneInfo:
        """The billing time zone."""
        return ZoneInfo(self.billing_zone)

    @property
    def files(self) -> Path:
        """The file store's folder."""
        return self.file_store or self.home / "files"


def _split(networks: str) -> list[str]:
    return [network.strip() for network in networks.split(",") if network.strip()]


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
