"""The demo comes out as it is told: each hazard hurts a client, and none with the guard."""

from __future__ import annotations

import pytest

from examples.demo.__main__ import play_all
from examples.demo.scenes import SCENES


def test_each_scene_ends_as_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert play_all() == []
    shown = capsys.readouterr().out
    assert [scene.title for scene in SCENES if scene.title not in shown] == []
