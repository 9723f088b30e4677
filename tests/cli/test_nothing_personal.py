"""Nothing personal is left anywhere: the whole story is told, then every byte is looked through."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.cli.daemon import daemon
from tests.cli.marked_story import AGENT, CANDIDATE, NOWHERE, PERSON, Story, prepare, receiver
from tests.cli.process import CAREERRELAY, careerrelay, create
from tests.marks import marks_in, marks_in_files, marks_in_tables
from tests.relay.neighbours import Hop
from tests.services import postgres_database

EXPORTS = ("jsonl", "csv", "cef", "ocsf", "cloudevents")
STATEMENTS = ("json", "csv", "html")  # The others say the same in other forms.


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """A store."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/home/careerrelay.db"
    else:
        with postgres_database() as made:
            yield made


def test_nothing_personal_is_left_behind(next_hop: Hop, tmp_path: Path, url: str) -> None:
    """No name, address, word of a letter, or who clicked: in no file, table, log, metric, export.

    Who registers is sealed, under keys that stand in a file of their own. Of a click only the
    beginning of the browser's name is there, in the details that are kept for thirty days.
    """
    home, made = tmp_path / "home", tmp_path / "made"
    made.mkdir()
    said = made / "stdout"
    config = create(home)
    store = {"CAREERRELAY_STORE__URL": url}

    def look(*, agent_in: frozenset[str] = frozenset()) -> None:
        """Look through all there is at this moment."""
        files = marks_in_files(tmp_path, (*NOWHERE, AGENT))
        assert not files or (agent_in and {*map(tuple, files.values())} == {(AGENT,)}), files
        tables = marks_in_tables(url, (*NOWHERE, AGENT))
        assert tables == {place: [AGENT] for place in agent_in}

    with receiver(tmp_path.with_name(f"{tmp_path.name}-service")) as service:
        prepare(config, service)
        command = ("/bin/sh", "-c", f'exec "$@" > {said}', "sh", *CAREERRELAY)
        settings = {**store, "SSL_CERT_FILE": str(service.authority)}
        with daemon(config, next_hop.port, settings=settings, command=command) as running:
            running.wait_until_started()
            story = Story(running, next_hop, url, home)
            try:
                story.get_letters()
                story.click()
                detail = frozenset({"click_detail.detail"})
                story.while_the_store_is_away(lambda: _look_at_spill(home / "spill"))
                story.report_again()
                story.register(lambda: look(agent_in=detail))
                story.confirm(service)
                look(agent_in=detail)
                story.opt_out()
                _, metrics = running.ask("/metrics")
                (made / "metrics").write_text(metrics)
                _export(config, made, store)
                look(agent_in=detail)
                story.delete(service)
                erased = careerrelay("erase", PERSON, "--config", config, environment=store)
                assert erased.returncode == 0
            finally:
                story.close()
    (made / "stderr").write_text(running.wait_until_closed())
    assert '"event": "registration"' in (made / "stderr").read_text()
    look()
    assert story.policies == {"no-referrer"}
    assert not marks_in("\n".join(story.places()).encode(), NOWHERE)
    # What looked would have found it: here is one, in a copy.
    shutil.copytree(home, tmp_path / "copy")
    with (tmp_path / "copy" / "careerrelay.toml").open("a", encoding="utf-8") as file:
        file.write(f"# {CANDIDATE}\n")
    assert marks_in_files(tmp_path, NOWHERE) == {"copy/careerrelay.toml": [CANDIDATE]}


def _look_at_spill(folder: Path) -> None:
    """See that what waits for the store holds clicks, and the report sealed."""
    found = marks_in_files(folder, (*NOWHERE, AGENT))
    assert set(map(tuple, found.values())) == {(AGENT,)}


def _export(config: Path, made: Path, store: dict[str, str]) -> None:
    """Write everything that can be exported."""
    for log, kinds in (("aozora", EXPORTS), ("_installation", ("jsonl",))):
        for kind in kinds:
            file = made / f"{log}.{kind}"
            words = ("log", "export", "--log", log, "--format", kind, "--output", file)
            done = careerrelay(*words, "--config", config, environment=store)
            assert done.returncode == 0, done.stderr
        done = careerrelay("log", "checkpoint", "--log", log, "--config", config, environment=store)
        (made / f"{log}.checkpoint").write_text(done.stdout + done.stderr)
    month = datetime.now(timezone(timedelta(hours=9))).strftime("%Y-%m")
    for kind in STATEMENTS:
        file = made / f"statement.{kind}"
        words = ("credits", "statement", "aozora", month, "--format", kind, "--output", file)
        done = careerrelay(*words, "--config", config, environment=store)
        assert done.returncode == 0, done.stderr
    done = careerrelay("log", "verify", "--config", config, environment=store)
    assert done.returncode == 0
    assert '"link.clicked"' in (made / "aozora.jsonl").read_text()
