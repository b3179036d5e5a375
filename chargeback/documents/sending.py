"""Sends a mail or a webhook, and tells a refusal from a failure that may pass.

Owns the transport. Raises Refused where the receiver will never take the message, Unavailable where trying
again may help.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage

import httpx
from standardwebhooks import Webhook

from chargeback.errors import Refused, Unavailable
from chargeback.settings import Settings

_HOPELESS = range(500, 600)


class Refusal(Refused):
    """The receiver said no, and will again."""


def send_mail(message: EmailMessage, settings: Settings) -> None:
    """Hand the mail to the configured server, encrypted as configured."""
    try:
        with _server(settings) as server:
            server.send_message(message)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPSenderRefused) as error:
        # It is us whom the server does not take, not the payer. Its words may repeat what it was shown.
        raise Unavailable(
            "mail_not_sent",
            f"the mail server {settings.smtp_host}:{settings.smtp_port} takes no mail from us ({error.smtp_code}); the "
            "message waits: correct CHARGEBACK_SMTP_USER, CHARGEBACK_SMTP_PASSWORD and CHARGEBACK_MAIL_FROM",
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        _tell(message["To"], code, said)
    except smtplib.SMTPResponseException as error:
        _tell(message["To"], error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(
            "mail_not_sent",
            f"the mail server {settings.smtp_host}:{settings.smtp_port} cannot be used ({error}); "
            "the message waits: correct CHARGEBACK_SMTP_* or try again later",
        ) from None


@contextmanager
def _server(settings: Settings) -> Iterator[smtplib.SMTP]:
    host, port = settings.smtp_host or "", settings.smtp_port
    timeout, trusted = float(settings.source_timeout_seconds), ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=trusted)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    with server:
        if settings.smtp_security == "starttls":
            server.starttls(context=trusted)
        if settings.smtp_user and settings.smtp_password:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        yield server


def _tell(recipient: str, code: int, said: bytes | str) -> None:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    sentence = f"the mail to {recipient} was answered {code} {words}"
    if code in _HOPELESS:
        raise Refusal("mail_refused", f"{sentence}; correct the payer's contact and send it again")
    raise Unavailable("mail_not_sent", f"{sentence}; it waits and is tried again")


def send_webhook(url: str, body: str, message_id: str, at: datetime, settings: Settings) -> None:
    """Post the body, signed by the Standard Webhooks scheme, to where a program waits for it."""
    headers = {"content-type": "application/json", "webhook-id": message_id,
               "webhook-timestamp": str(int(at.timestamp()))}  # fmt: skip
    if settings.webhook_secret:
        signer = Webhook(settings.webhook_secret.get_secret_value())
        headers["webhook-signature"] = signer.sign(msg_id=message_id, timestamp=at, data=body)
    place = httpx.URL(url)
    try:
        answer = httpx.post(
            place, content=body.encode(), headers=headers, follow_redirects=False, trust_env=False,
            timeout=float(settings.source_timeout_seconds),
        )  # fmt: skip
    except httpx.HTTPError as error:
        raise Unavailable(
            "webhook_not_sent",
            f"the webhook to {place.host} was not taken ({type(error).__name__}); it waits and is tried again",
        ) from None
    if answer.is_success:
        return
    sentence = f"the webhook to {place.host} was answered {answer.status_code}"
    if answer.status_code == httpx.codes.GONE:
        raise Refusal("webhook_refused", f"{sentence}; correct CHARGEBACK_WEBHOOK_URL")
    raise Unavailable("webhook_not_sent", f"{sentence}; it waits and is tried again")
