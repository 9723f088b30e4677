"""Why a letter that should have carried the line does not: each reason in a sentence, with advice.

`careerrelay check` prints it. The reasons of other mail (what is no rejection, what the company
itself has asked for) are said elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from relay.policy import Reason

_STRUCTURE = (
    "mail programs would read the message in different ways, so nobody can say what the candidate "
    "would see; the program that wrote it should be mended"
)

WHY_NOT: Mapping[Reason, str] = {
    Reason.ENCRYPTED: "a part is encrypted: its text can neither be read nor changed",
    Reason.SIGNED: "it is signed (S/MIME), and any change would make the signature fail",
    Reason.PGP: "it is signed or encrypted with PGP, and any change would break that",
    Reason.CALENDAR: "it carries an invitation, which some programs show in place of the text",
    Reason.TNEF: (
        "it is in Outlook's own format (winmail.dat), of which others see no text; let the mail "
        "system send MIME to the outside"
    ),
    Reason.DELIVERY_REPORT: "it is a report of a mail system",
    Reason.AMBIGUOUS_MIME: _STRUCTURE,
    Reason.BROKEN_HEADER: f"a header field is broken: {_STRUCTURE}",
    Reason.UNCLOSED_MULTIPART: f"its end is missing: {_STRUCTURE}",
    Reason.NUL_BYTES: f"it holds NUL bytes, at which some programs stop: {_STRUCTURE}",
    Reason.STRUCTURE_UNSUPPORTED: (
        "programs would not all show the line: its text is in several places (a second text behind "
        "a picture, a comment for Outlook), or its style sheet could hide or cut off what is added"
    ),
    Reason.NO_TEXT_PART: (
        "it has no text of its own in which a line could stand: an attachment or a picture alone, "
        "or nothing above the quoted mail"
    ),
    Reason.TOO_LARGE: "it is larger than what is changed (40 MiB in all, 2 MiB of text)",
    Reason.TOO_MANY_PARTS: "it has more parts than any letter",
    Reason.TOO_DEEP: "its parts are nested deeper than those of any letter",
    Reason.HEADER_TOO_LARGE: "its header is larger than that of any letter",
    Reason.BROKEN_ENCODING: "its text is encoded wrongly (base64 or quoted-printable)",
    Reason.UNKNOWN_ENCODING: "its text is in a transfer encoding that is not known",
    Reason.CHARSET_UNSUPPORTED: (
        "its charset is none that can be written, or its bytes are not in the charset it names"
    ),
    Reason.BODY_DIGEST_HEADER: (
        "a header field counts or hashes the body (Content-Length, Content-MD5, Lines), and would "
        "be wrong afterwards"
    ),
    Reason.NOT_REVERSIBLE: "the original could not be had back byte for byte from the changed one",
    Reason.DKIM_SIGNED: (
        'it is signed (DKIM), and the company has dkim = "pass"; let the mail system sign behind '
        'the relay, or set dkim = "strip" or "resign"'
    ),
    Reason.DKIM_NO_KEY: (
        'it is signed (DKIM), the company has dkim = "resign", and there is no [[dkim]] key for '
        "the one domain of its From"
    ),
    Reason.DKIM_NOT_VALID: (
        'it is signed (DKIM), the company has dkim = "resign", and the signature on it is not a '
        "valid one of the domain of its From, or its key could not be had from the DNS"
    ),
    Reason.DKIM_FAILED: (
        "it is signed (DKIM), and could not be signed anew: a header field is unusual"
    ),
    Reason.ALREADY_MARKED: "it has been changed before: our mark is on it",
    Reason.ALREADY_LINKED: "a link of ours is in it already, perhaps in the quoted mail",
    Reason.TEMPLATE_MISSING: "the template of the line could not be used for this company",
    Reason.STORE_UNAVAILABLE: "its link could not be put on record",
    Reason.TIME_BOX: "it takes too long to read",
    Reason.INTERNAL_ERROR: "an error of ours; please report it",
}
