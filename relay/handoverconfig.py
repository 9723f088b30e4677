"""`[handover]`: how confirmed registrations reach the placement service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from relay.configvalues import check_optional_mail_address, check_registration_url
from relay.relayconfig import Section

# What was handed over is the placement service's; a year of questions about it is long.
KEEP_DAYS_MAX = 365


def _check_optional_url(value: str) -> str:
    return check_registration_url(value) if value else ""


class HandoverSection(Section):
    """`[handover]`: by what, to whom, and how long we keep what was handed over."""

    by: Literal["none", "webhook", "mail", "export"] = "none"
    url: Annotated[str, AfterValidator(_check_optional_url)] = ""
    secret: Path | None = None
    adviser: Annotated[str, AfterValidator(check_optional_mail_address)] = ""
    keep_days: Annotated[int, Field(ge=1, le=KEEP_DAYS_MAX)] = 30

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> HandoverSection:
        if self.by == "webhook" and not (self.url and self.secret):
            raise ValueError('by = "webhook" needs url and secret, a file with "whsec_" and base64')
        if self.by == "mail" and not self.adviser:
            raise ValueError('by = "mail" needs adviser = "adviser@example.jp"')
        return self
