"""The errors Chargeback raises on purpose.

    ChargebackError
    ├── Refused       the business says no (HTTP 409, exit status 3)
    ├── Unauthenticated  nobody we know asks (HTTP 401, exit status 3)
    ├── Forbidden     who asks may not (HTTP 403, exit status 3)
    ├── NotFound      no such thing (HTTP 404, exit status 4)
    ├── Invalid       what was given cannot be right (HTTP 400, exit status 2)
    │   ├── TooLarge          it is more than is taken at once (HTTP 413)
    │   └── UnsupportedMedia  it is not in a form that is read (HTTP 415)
    └── Unavailable   the world failed; the only kind a retry can cure (HTTP 503, exit status 5)

Each carries a stable `code` and one sentence that names the thing, the reason and the next step.
"""

from typing import ClassVar


class ChargebackError(Exception):
    """Something Chargeback says no to; `str()` is the sentence a person reads."""

    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["ChargebackError"], tuple[str, str]]:
        """Pickle by code and message, so that Prefect can carry the error between processes."""
        return type(self), (self.code, self.message)


class Refused(ChargebackError):
    """The business says no: nothing was changed."""

    http_status = 409
    exit_status = 3


class Unauthenticated(ChargebackError):
    """Nobody we know asks: the token is missing, wrong, expired or revoked."""

    http_status = 401
    exit_status = 3


class Forbidden(ChargebackError):
    """Who asks is known, and may not do this."""

    http_status = 403
    exit_status = 3


class NotFound(ChargebackError):
    """There is no such thing; the message says where to look."""

    http_status = 404
    exit_status = 4


class Invalid(ChargebackError):
    """What was given cannot be right; the message says what would be."""

    http_status = 400
    exit_status = 2


class TooLarge(Invalid):
    """More was given than is taken at once; the message says how much is."""

    http_status = 413


class UnsupportedMedia(Invalid):
    """What was given is not in a form that is read here; the message says which are."""

    http_status = 415


class Unavailable(ChargebackError):
    """The world failed (network, database, source): trying again may work."""

    http_status = 503
    exit_status = 5
