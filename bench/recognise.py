"""How well rejections are recognised, and in what time: our recogniser beside three others.

    python bench/recognise.py [--quick] [--json] [--write]          (make recognise)

On the same letters and in the same run: a list of keywords, character n-grams with a logistic
regression, and a phrase that decides beside an object. What learns has seen no letter of the source
it is measured on; "as installed" is our recogniser as it is shipped, which has learned from these
letters. `docs/recognition.md` says how, and how to read it. A language is measured in a process of
its own; the times are taken when nothing else of this runs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from examples import ROOT
from results import Results, print_objects, print_tables, write
from rich.console import Console
from samples import LANGUAGES, read_ordinary
from speed import Judges, time_letters, time_ordinary
from told import KEYWORDS, NGRAMS, OURS, PHRASES, Language, tell
from words import keyword_finder, phrase_finder

from relay.entries import Lexicons
from relay.lexicons import load_lexicons

DOCUMENT = ROOT / "docs" / "recognition.md"
WIDTH = 120  # Of what goes into a file or a pipe.


def main() -> None:
    """Measure, and print, tell or write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few sources, to see it work")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--write", action="store_true", help=f"into docs/{DOCUMENT.name}")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with ProcessPoolExecutor(len(LANGUAGES)) as pool:
        languages = list(pool.map(partial(tell, is_quick=options.quick), LANGUAGES))
    lexicons = load_lexicons()
    judges = _judges(languages, lexicons)
    times = {
        language.code: time_letters(language.timed, OURS, lexicons, judges, language.code)
        for language in languages
    }
    mails = read_ordinary(is_quick=options.quick)
    ordinary = time_ordinary(mails, OURS, lexicons, judges) if mails else None
    letters = [one for language in languages for one in language.letters]
    results = Results(letters, times, ordinary)
    if options.json:
        print_objects(results)
    else:
        console = Console()
        print_tables(console if console.is_terminal else Console(width=WIDTH), results)
    if options.write:
        write(DOCUMENT, results, load)


def _judges(languages: Sequence[Language], lexicons: Lexicons) -> Judges:
    """Return the others, as one would install them."""
    models = {language.code: language.ngrams for language in languages}
    keywords = {language.code: keyword_finder(language.code) for language in languages}
    has_phrase = phrase_finder(lexicons)
    return {
        NGRAMS: lambda language, text: models[language].finds(text),
        KEYWORDS: lambda language, text: keywords[language](text),
        PHRASES: lambda _, text: has_phrase(text),
    }


if __name__ == "__main__":
    main()
