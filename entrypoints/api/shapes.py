"""What the OpenAPI document says of bodies and answers; tests hold the answers against it.

These classes document and are never filled: bodies are read by the business, answers written by `wire`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Number = Annotated[Any, WithJsonSchema({"type": "number"})]
# Text keeps every digit where a client's numbers cannot.
NumberIn = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}]}
    ),
]
Id = Annotated[str, Field(min_length=1, max_length=255)]
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
When = Annotated[
    str, Field(description="A date, or an instant in ISO 8601; without offset it is UTC.")
]


class In(BaseModel):
    """A body; fields it does not name are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why not: one sentence, a stable code, and what a program may want to know."""

    error: str
    code: str
    details: list[Any]


class Message(BaseModel):
    """What was done."""

    message: str


class ReconciliationAnswer(BaseModel):
    """What came in beside what became of it, exact decimals as text; `difference` 0 means that the books tie."""

    reconciliation: dict[str, Any]


class Health(BaseModel):
    """The server lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """The server can work: its ledger answers and has the schema it is made for."""

    status: Literal["ready"]
    schema_version: str
