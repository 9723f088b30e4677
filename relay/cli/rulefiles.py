"""What the decisions of a command rest on, read from the files that the configuration names."""

from __future__ import annotations

from relay.approved import ApprovedLetters
from relay.approvedfile import ApprovedFileError, load_approved
from relay.cli.common import fail
from relay.cli.parts import make_resigner
from relay.cli.warmlexicons import load_warm_lexicons
from relay.companylexicon import load_company_lexicons
from relay.config import Config
from relay.dkimkeys import DkimKeyError
from relay.entries import LexiconError
from relay.lexicons import stages_of
from relay.note import TemplateError, load_templates
from relay.pipeline import Rules, make_rules
from signer.errors import KeyRingError
from signer.keyring_file import load_key_ring


def read_rules(config: Config) -> Rules:
    """Return what decisions rest on, or end the command naming the file that is wrong."""
    try:
        lexicons = load_warm_lexicons()
        return make_rules(
            config.companies,
            lexicons,
            load_templates(config.note.templates, config.companies, stages_of(lexicons)),
            load_key_ring(config.link.key_ring),
            config.link.base_url,
            ApprovedLetters(load_approved(config.relay.approved_letters)),
            load_company_lexicons(lexicons, config.company_lexicons),
            make_resigner(config, is_patient=True),
        )
    except (KeyRingError, LexiconError, TemplateError, ApprovedFileError, DkimKeyError) as error:
        fail(str(error))
