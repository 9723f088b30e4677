"""The configuration: one frozen object, read once from the TOML file and `CAREERRELAY_*`.

It is checked whole before the first socket opens. Every error names file, key, value and what is
expected. Secrets stand in files of their own and are never part of it. Relative paths are relative
to the configuration file.

    CAREERRELAY_RELAY__NEXT_HOP=mx.example.jp:25     overrides next_hop in [relay]
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from relay.addresses import Address
from relay.company import Company, Mode
from relay.configvalues import (
    check_base_url,
    check_domain,
    check_mail_address,
    check_network,
    check_optional_mail_address,
    check_phrase,
    check_registration_url,
    matching,
)
from relay.handoverconfig import HandoverSection
from relay.mistakes import explain_mistakes, shown
from relay.recordconfig import (
    SQLITE,
    WEBHOOKS_MAX,
    Auditors,
    AuditSection,
    MailSection,
    StoreSection,
    WebhookSection,
)
from relay.relayconfig import (
    AdminSection,
    ListenAddress,
    Networks,
    NextHopSection,
    OptionalAddress,
    RelaySection,
    Section,
)

ENVIRONMENT_PREFIX = "CAREERRELAY_"
FILE_SIZE_MAX_BYTES = 1024 * 1024  # Thousands of companies; more is not a configuration.


class ConfigError(Exception):
    """The configuration cannot be used; the text has a line for every mistake."""


_SectionT = TypeVar("_SectionT", bound=BaseModel)

ShownName = Annotated[
    str, AfterValidator(matching(r"[^\x00-\x1f\x7f]{1,100}", "1 to 100 characters on one line"))
]

ATTRIBUTION_DAYS_MAX = 3650  # Ten years; a letter has long served its time.
PROXIES_MAX = 100  # Each request is compared with them.
# Each is looked for in every subject, or in the text of every rejection.
TAGS_MAX_COUNT = 20
PHRASES_MAX_COUNT = 100

Domain = Annotated[str, AfterValidator(check_domain)]
Selector = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,3}",
            'a selector like "relay1" (RFC 6376 §3.1)',
        )
    ),
]
Tag = Annotated[str, AfterValidator(check_phrase(3, 50))]
Phrase = Annotated[str, AfterValidator(check_phrase(2, 200))]


class LinkSection(Section):
    """`[link]`: the address that the links lead to, and the keys that sign them."""

    base_url: Annotated[str, AfterValidator(check_base_url)] = "http://127.0.0.1:8080/"
    key_ring: Path = Path("keys.json")
    # How long after its letter a registration counts for the company.
    attribution_days: Annotated[int, Field(ge=1, le=ATTRIBUTION_DAYS_MAX)] = 365


class IntakeSection(Section):
    """`[intake]`: the HTTP side: clicks and reported signups."""

    listen: ListenAddress = Address("127.0.0.1", 8080)
    registration: Literal["builtin", "external"] = "builtin"
    registration_url: Annotated[str, AfterValidator(check_registration_url)] = ""
    service: ShownName = "Career Relay"
    contact: Annotated[str, AfterValidator(check_optional_mail_address)] = ""
    # The placement service's licence, which the law wants on the page.
    licence: Annotated[
        str, AfterValidator(matching(r"[^\x00-\x1f\x7f]{0,100}", "100 characters at most"))
    ] = ""
    webhook_secret: Path = Path("webhook-secret")
    # Networks of mail security scanners; see docs/admin/links.md.
    scanner_ranges: Path | None = None
    # Web servers that may say in X-Forwarded-For whom they ask for.
    trusted_proxies: Annotated[Networks, Field(max_length=PROXIES_MAX)] = (
        check_network("127.0.0.0/8"),
        check_network("::1/128"),
    )

    @model_validator(mode="after")
    def _external_has_an_address(self) -> IntakeSection:
        if self.registration == "external" and not self.registration_url:
            raise ValueError(
                'registration = "external" needs registration_url = "https://…", where the link '
                "leads the candidate"
            )
        return self


class OutsideSection(Section):
    """`[outside]`: the page of `careerrelay run` that shows what arrived."""

    listen: ListenAddress = Address("127.0.0.1", 8025)


class CompanySection(Section):
    """`[[company]]`: whose letters carry the line, and how far the relay goes."""

    id: Annotated[
        str, AfterValidator(matching(r"[a-z0-9][a-z0-9-]{0,31}", "1 to 32 of a-z, 0-9 and -"))
    ]
    name: ShownName
    domains: tuple[Domain, ...] = Field(min_length=1, max_length=100)
    mode: Mode = Mode.OBSERVE
    accept: Literal["recognised", "approved"] = "recognised"
    dkim: Literal["pass", "strip", "resign"] = "pass"
    language: Literal["ja", "en"] = "ja"
    contact: Annotated[str, AfterValidator(check_mail_address)]
    auditors: Auditors = ()
    no_relay: Annotated[tuple[Tag, ...], Field(max_length=TAGS_MAX_COUNT)] = ("[no-relay]",)
    stop_phrases: Annotated[tuple[Phrase, ...], Field(max_length=PHRASES_MAX_COUNT)] = ()
    must_phrases: Annotated[tuple[Phrase, ...], Field(max_length=PHRASES_MAX_COUNT)] = ()
    lexicon: Path | None = None

    def company(self) -> Company:
        """Return the value that the pure stations work with."""
        return Company(**self.model_dump(exclude={"lexicon", "auditors"}))


class DkimSection(Section):
    """`[[dkim]]`: a key that signs changed letters of a domain and of those below it."""

    domain: Domain
    selector: Selector
    key: Path


class ArcSection(Section):
    """`[arc]`: the key that seals changed letters, and whose results the seal vouches for."""

    domain: Domain
    selector: Selector
    key: Path
    authserv_id: Domain


class DnsSection(Section):
    """`[dns]`: who is asked for the public keys of those who signed a letter before us."""

    resolver: OptionalAddress = None  # None: the system's.


class NoteSection(Section):
    """`[note]`: where the company's own templates of the line are."""

    templates: Path | None = None


class Config(BaseSettings):
    """Everything the process needs to know; see the module for where it comes from."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        env_nested_max_split=1,
    )

    relay: RelaySection = RelaySection()
    next_hop: NextHopSection = NextHopSection()
    admin: AdminSection = AdminSection()
    link: LinkSection = LinkSection()
    store: StoreSection = StoreSection()
    mail: MailSection = MailSection()
    audit: AuditSection = AuditSection()
    webhook: tuple[WebhookSection, ...] = Field(default=(), max_length=WEBHOOKS_MAX)
    intake: IntakeSection = IntakeSection()
    handover: HandoverSection = HandoverSection()
    outside: OutsideSection = OutsideSection()
    note: NoteSection = NoteSection()
    dkim: tuple[DkimSection, ...] = Field(default=(), max_length=1_000)
    arc: ArcSection | None = None
    dns: DnsSection = DnsSection()
    company: tuple[CompanySection, ...] = Field(default=(), max_length=10_000)

    @model_validator(mode="after")
    def _companies_are_apart(self) -> Config:
        seen: dict[str, str] = {}
        for section in self.company:
            for key in (f"id {section.id!r}", *(f"domain {name!r}" for name in section.domains)):
                if key in seen:
                    raise ValueError(f"company {section.id!r}: {key} is in {seen[key]!r} already")
                seen[key] = section.id
        return self

    @model_validator(mode="after")
    def _webhooks_are_apart(self) -> Config:
        names = [section.name for section in self.webhook]
        companies = {section.id for section in self.company}
        for section in self.webhook:
            if names.count(section.name) > 1:
                raise ValueError(f"two [[webhook]] are named {section.name!r}")
            for company in section.companies:
                if company not in companies:
                    raise ValueError(f"webhook {section.name!r}: no such company: {company!r}")
        return self

    @model_validator(mode="after")
    def _who_writes_has_an_address(self) -> Config:
        asked = self.audit.auditors or any(section.auditors for section in self.company)
        if asked and not self.mail.sender:
            raise ValueError('auditors get mail, so [mail] needs from = "relay@example.jp"')
        return self

    @model_validator(mode="after")
    def _who_hands_over_by_mail_has_an_address(self) -> Config:
        if self.handover.by == "mail" and not self.mail.sender:
            raise ValueError('the adviser gets mail, so [mail] needs from = "relay@example.jp"')
        return self

    @model_validator(mode="after")
    def _who_signs_has_a_key(self) -> Config:
        signing = tuple(f".{section.domain}" for section in self.dkim)
        names = [f"{section.selector}._domainkey.{section.domain}" for section in self.dkim]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two [[dkim]] have one name in the DNS: {name}")
        for section in self.company:
            for domain in section.domains if section.dkim == "resign" else ():
                if not f".{domain}".endswith(signing):
                    raise ValueError(
                        f'company {section.id!r}: dkim = "resign" needs a key: expected a [[dkim]] '
                        f"for {domain!r} or a domain above it"
                    )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override the file, and read nothing else."""
        return (env_settings, init_settings)

    @property
    def company_lexicons(self) -> Mapping[str, Path]:
        """The files of those companies that have wordings of their own."""
        return {one.id: one.lexicon for one in self.company if one.lexicon is not None}

    @property
    def companies(self) -> tuple[Company, ...]:
        """Every company as the pure stations know it."""
        return tuple(section.company() for section in self.company)


def load_config(path: Path) -> Config:
    """Return the configuration in `path`, with absolute paths; `ConfigError` names each mistake."""
    document = _read_toml(path)
    try:
        config = Config(**document)
    except ValidationError as error:
        raise ConfigError(explain_mistakes(path, ENVIRONMENT_PREFIX, error)) from error
    except SettingsError as error:
        raise ConfigError(_explain_environment(error)) from error
    return _with_absolute_paths(config, path.resolve().parent)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `careerrelay init` writes one") from error
    if len(text) > FILE_SIZE_MAX_BYTES:
        raise ConfigError(f"{path}: larger than {FILE_SIZE_MAX_BYTES} bytes")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _explain_environment(error: SettingsError) -> str:
    """Return which variable is no list as JSON; the library's error names its section alone."""
    wrong: list[str] = []
    for name, value in os.environ.items():
        section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        field = Config.model_fields.get(section)
        if not name.startswith(ENVIRONMENT_PREFIX) or field is None:
            continue
        model = field.annotation
        if key and isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(key)
        if field is not None and get_origin(field.annotation) is tuple and not _is_json(value):
            wrong.append(
                f"{name} in the environment{_shown_unless_secret(name, value)}: "
                """expected a list as JSON, like '["127.0.0.1:2525"]'"""
            )
    return "\n".join(wrong) or f"{ENVIRONMENT_PREFIX}* in the environment: {error}"


def _shown_unless_secret(name: str, value: str) -> str:
    return "" if name.endswith("__USER") else f" = {shown(value)}"  # Users have passwords.


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _with_absolute_paths(config: Config, directory: Path) -> Config:
    """Return the configuration with every path as from the folder of its file."""
    store = config.store
    if store.url.startswith(SQLITE):
        location = directory / store.url.removeprefix(SQLITE)
        store = store.model_copy(update={"url": f"{SQLITE}{location}"})
    listeners = tuple(_at(directory, listener) for listener in config.relay.listener)
    sections = {
        "store": _at(directory, store),
        "link": _at(directory, config.link),
        "intake": _at(directory, config.intake),
        "handover": _at(directory, config.handover),
        "next_hop": _at(directory, config.next_hop),
        "relay": _at(directory, config.relay).model_copy(update={"listener": listeners}),
        "note": _at(directory, config.note),
        "dkim": tuple(_at(directory, key) for key in config.dkim),
        "webhook": tuple(_at(directory, webhook) for webhook in config.webhook),
        "arc": config.arc and _at(directory, config.arc),
        "company": tuple(_at(directory, company) for company in config.company),
    }
    return config.model_copy(update=sections)


def _at(directory: Path, section: _SectionT) -> _SectionT:
    paths = {name: directory / value for name, value in section if isinstance(value, Path)}
    return section.model_copy(update=paths)
