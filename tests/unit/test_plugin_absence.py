"""What Docker finds of our drivers while no plugin listens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.reporter import FakeReporter
from weave_cli.names import ABSENCE_FILE
from weave_cli.operations.plugin_absence import declare_absence, list_specifications, withdraw_absence

pytestmark = pytest.mark.unit


def test_specification_names_a_certificate_that_is_nowhere(tmp_path: Path) -> None:
    place = tmp_path / "docker/plugins"
    declare_absence(FakeReporter(), directory=place)
    declare_absence(FakeReporter(), directory=place)
    assert sorted(path.name for path in place.iterdir()) == ["weave.json", "weavemesh.json"]
    found = json.loads((place / "weavemesh.json").read_text())
    assert found["Name"] == "weavemesh"
    assert found["TLSConfig"]["CAFile"] == ABSENCE_FILE
    assert not Path(ABSENCE_FILE).exists()


def test_somebody_elses_specification_stays(tmp_path: Path) -> None:
    (tmp_path / "weave.json").write_text("{}")
    declare_absence(FakeReporter(), directory=tmp_path)
    assert [path.name for path in list_specifications(directory=tmp_path)] == ["weavemesh.json"]
    withdraw_absence(directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weave.json"]
    assert (tmp_path / "weave.json").read_text() == "{}"


def test_a_place_that_takes_no_files_is_worth_a_notice(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("")
    reporter = FakeReporter()
    declare_absence(reporter, directory=tmp_path / "docker/plugins")
    assert [notice.partition(":")[0] for notice in reporter.notices] == ["WARNING"]
    assert "Not a directory" in reporter.notices[0]


def test_nothing_to_withdraw_is_no_error(tmp_path: Path) -> None:
    withdraw_absence(directory=tmp_path / "none")
    assert list_specifications(directory=tmp_path / "none") == []
