"""The model of the wording: its files, what it weighs, and how it is learned."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from calibrated import fit_curve
from examples import Example, grams_of, runs_of
from learning import learn
from train import MODELS, beside

from relay.entries import LexiconError
from relay.lexicons import load_lexicons
from relay.wording import Ground, WordingError, characters_of, load_wording, words_of

HEAD = (
    "bias\t-0.1\nunit\t0.05\nplain-offset\t2.0\nplain-slope\t6.0\nclear-offset\t1.0\nclear-slope\t5.0\n"
    "contested-offset\t-1.0\ncontested-slope\t4.0\n"
    "unstated-offset\t-2.0\nunstated-slope\t3.0\n\n"
)


def test_words_and_characters_as_the_model_reads_them() -> None:
    """Case, white space and figures make no difference, the ends of sentences do."""
    assert words_of("We regret, Ms. Ōe:\n you're  NOT No. 12!") == (
        " we regret ms . e you're not no . ! "
    )
    assert characters_of("採用を 見送\n らせて 2026 年") == "採用を見送らせて0年"


def test_grams_weigh_by_their_weight_and_the_length_of_the_letter(tmp_path: Path) -> None:
    """What is found counts, more of the same a little more, and a longer letter thins it out."""
    path = tmp_path / "en.wording"
    path.write_text(
        HEAD + "1.0\t1.0\t_regret_\n-1.0\t1.0\t_welcome_\n0.0\t1.0\t_desk_\n\n0.5\t1.0\tno\n"
    )
    model = load_wording(path)

    def weighed(text: str, subject: str = "") -> float:
        return model.weigh(subject, text)

    assert weighed(" welcome ") < weighed(" chair ") < weighed(" regret ")
    assert weighed(" chair ") < weighed(" regret desk ") < weighed(" regret ")
    assert weighed(" regret ") == pytest.approx((1.0 - 0.1) / 0.05)
    assert weighed(" regret ", "A NO from us") == pytest.approx((1.5 - 0.1) / 0.05)


def test_less_is_enough_the_more_there_is_to_go_by(tmp_path: Path) -> None:
    """The same sum is a rejection where a decision is stated, and none where none is."""
    path = tmp_path / "en.wording"
    path.write_text(HEAD + "1.0\t1.0\t_a_\n\n1.0\t1.0\tb\n")
    model = load_wording(path)
    assert model.score(-0.2 / 0.05, Ground.CLEAR) == pytest.approx(0.5)
    assert model.score(0.25 / 0.05, Ground.CONTESTED) == pytest.approx(0.5)
    assert model.score(1e9, Ground.UNSTATED) == pytest.approx(1.0)
    assert model.score(-1e9, Ground.UNSTATED) == pytest.approx(0.0)
    assert model.rules_out(0.0, [Ground.CONTESTED, Ground.UNSTATED])
    assert not model.rules_out(0.0, Ground)


def test_a_score_is_the_share_of_rejections() -> None:
    """Of the letters with a score of 0.75, three in four turn their reader down."""
    told = [(1.0, number % 4 != 0) for number in range(400)]
    told += [(-1.0, number % 5 == 0) for number in range(400)]
    curve = fit_curve(told)
    assert curve.at(1.0) == pytest.approx(0.75, abs=0.01)
    assert curve.at(-1.0) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "bias, unit, plain-offset, plain-slope"),
        (HEAD, "expected 2 lists of grams"),
        ("bias 1\n\n", "line 1: expected name, tab and value"),
        (HEAD.replace("0.05", "much") + "\n", "bias, unit, plain-offset, plain-slope"),
        (HEAD + "1.0\t_regret_\n\n", "whole: gram 1: expected weight, rarity and gram"),
        (HEAD + "1.0\t1.0\t_a_\n\nx\t1.0\t_b_\n", "subject: gram 1"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """The file and the line are told, by the loader of the lexicons too."""
    path = tmp_path / "en.wording"
    path.write_text(text)
    with pytest.raises(WordingError, match=complaint):
        load_wording(path)
    (tmp_path / "en.toml").write_text('language = "en"\nneeds_wording = true\n')
    with pytest.raises(LexiconError, match=r"en\.wording"):
        load_lexicons(tmp_path)


def test_a_lost_model_is_told_and_not_done_without(tmp_path: Path) -> None:
    """Judged by the lexicon alone, other letters would get the line than were measured."""
    (tmp_path / "en.toml").write_text('language = "en"\nneeds_wording = true\n')
    with pytest.raises(LexiconError, match=r"en\.wording: not there; install careerrelay again"):
        load_lexicons(tmp_path)
    assert load_lexicons(tmp_path, with_wording=False)["en"].wording is None


@pytest.mark.parametrize("language", ["ja", "en"])
def test_an_installed_model_is_whole(language: str) -> None:
    """The file is what was written: its digest is that of its grams."""
    head, _, rows = (MODELS / f"{language}.wording").read_text(encoding="utf-8").partition("\n\n")
    values = dict(line.split("\t") for line in head.splitlines())
    assert hashlib.sha256(rows.encode()).hexdigest()[:16] == values["digest"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_an_installed_model_was_learned_beside_the_lexicon(language: str) -> None:
    """Whoever changes a lexicon runs `make model`: what it says is weighed against the wording."""
    head = (MODELS / f"{language}.wording").read_text(encoding="utf-8").partition("\n\n")[0]
    values = dict(line.split("\t") for line in head.splitlines())
    assert values["lexicon"] == beside(language), f"make model ARGS={language}"


def test_learning_tells_what_is_told_apart_and_is_the_same_each_time() -> None:
    """From a few letters of two kinds the words that differ are learned, to the last bit."""
    examples = [
        Example(
            source="s",
            id=str(number),
            is_rejection=is_rejection,
            is_forbidden=False,
            ground=Ground.CLEAR if is_rejection else Ground.UNSTATED,
            whole=Counter(grams_of(" regret role " if is_rejection else " welcome role ", "en")),
            subject=Counter(runs_of(" no " if is_rejection else " yes ", range(2, 5))),
            weight=2.0 if is_rejection else -1.0,
            is_arguable=False,
        )
        for number, is_rejection in enumerate([False, True] * 4)
    ]
    learned = learn(examples)
    weights = dict(zip(learned.whole.grams, learned.whole.weights, strict=True))
    assert weights[" regret "] > 0 > weights[" welcome "]
    weights = dict(zip(learned.subject.grams, learned.subject.weights, strict=True))
    assert weights["no"] > 0 > weights["yes"]
    assert learned == learn(examples)
    sums = learned.sums(examples)
    assert all(
        (told > 0) is example.is_rejection for told, example in zip(sums, examples, strict=True)
    )
