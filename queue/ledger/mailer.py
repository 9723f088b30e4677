"""Mail that we write ourselves: to auditors, and whoever asked for it. Never a company's letter.

One message to one recipient, through the mail server of the installation. It is a job's: a server
that is away or says 4xx makes the job try again, a 5xx ends it. The Message-ID follows from the
job, so that a message that was sent twice after a kill is recognised as one.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final, Literal

import aiosmtplib

from ledger.jobs import JobFailed

# Of the whole conversation; a job is claimed for two minutes.
TIMEOUT_SECONDS: Final = 60.0

# Never, where the server offers it (RFC 7435: better than plain text, whoever answers), or always,
# with a certificate that proves the server's name.
MailTls = Literal["off", "opportunistic", "verified"]
_START_TLS: Final[dict[MailTls, bool | None]] = {
    "off": False,
    "opportunistic": None,
    "verified": True,
}


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The server, and the address that our mail comes from; `""` where none is sent."""

    host: str
    port: int
    sender: str
    tls: MailTls = "opportunistic"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A small file beside the message, to the byte."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Manner:
    """How a message to a person differs from one to a machine's keeper.

    `html` is the text once more for who reads HTML; `sender_name` is shown as who it is from;
    `unsubscribe` is the address that a mail program's own button sends a POST to (RFC 8058).
    """

    html: str = ""
    sender_name: str = ""
    unsubscribe: str = ""


class Mailer:
    """Sends mail; blocks, so it is for threads."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(
        self,
        job_id: str,
        recipient: str,
        subject: str,
        text: str,
        time: datetime,
        *,
        attachment: Attachment | None = None,
        manner: Manner = Manner(),
    ) -> None:
        """Return when the server has taken the message; raises `JobFailed`."""
        settings = self._settings
        if not settings.sender:
            raise JobFailed("no mail is sent: set mail.from", is_final=True)
        # RFC 6531 §3.2: only where the recipient's address cannot be written otherwise.
        utf8 = not recipient.isascii()
        message = EmailMessage(policy=SMTP.clone(utf8=utf8))
        message["From"] = Address(manner.sender_name, addr_spec=settings.sender)
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = format_datetime(time)
        message["Message-ID"] = _message_id(job_id, recipient, settings.sender)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies.
        message.set_content(text, cte="base64")  # Lines of any length and language.
        if manner.html:
            message.add_alternative(manner.html, subtype="html", cte="base64")
        if attachment is not None:
            # Not as text, whose line ends the library and mail programs change.
            message.add_attachment(
                attachment.content,
                maintype="application",
                subtype="octet-stream",
                filename=attachment.name,
            )
        octets = _unsubscribing(manner.unsubscribe) + message.as_bytes()
        try:
            asyncio.run(self._send(octets, recipient, utf8=utf8))
        except aiosmtplib.SMTPResponseException as error:
            raise JobFailed(f"the server said {error.code}", is_final=error.code >= 500) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise JobFailed("the server offers no SMTPUTF8", is_final=True) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise JobFailed(f"refused: {codes}", is_final=min(codes, default=0) >= 500) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise JobFailed(f"the server is away: {type(error).__name__}") from error

    async def _send(self, message: bytes, recipient: str, *, utf8: bool) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):  # The library's limit is for each reply.
            await aiosmtplib.send(
                message,
                sender=self._settings.sender,
                recipients=[recipient],
                mail_options=["SMTPUTF8"] if utf8 else [],
                hostname=self._settings.host,
                port=self._settings.port,
                start_tls=_START_TLS[self._settings.tls],
                validate_certs=self._settings.tls == "verified",
                timeout=TIMEOUT_SECONDS,
            )


def _unsubscribing(url: str) -> bytes:
    """Return the fields of RFC 2369 and RFC 8058; the library would break the URL in two."""
    if not url:
        return b""
    fields = f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return fields.encode("ascii")


def _message_id(job_id: str, recipient: str, sender: str) -> str:
    digest = hashlib.sha256(f"{job_id}\n{recipient}".encode()).hexdigest()[:32]
    return f"<{digest}@{sender.rpartition('@')[2]}>"
