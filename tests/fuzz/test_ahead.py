"""What is generated for a seed is kept for the next run, and made again when it cannot be read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance.fuzz import ahead
from conformance.fuzz.ahead import Ahead
from conformance.fuzz.generated import PHASES, Generated

SEED, TOTAL = 5, 12


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "spot-conformance"


def _made(seed: int = SEED) -> dict[str, list[Generated]]:
    generator = Ahead(seed, TOTAL)
    try:
        return {phase: generator.get(phase) for phase in PHASES}
    finally:
        generator.close()


def test_the_second_run_finds_them(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _made()
    assert all(first[phase] for phase in PHASES)
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is started
    assert _made() == first


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"coverage": [{"phase": 1}]}', b"[]"])
def test_a_spoiled_file_is_replaced(cache: Path, content: bytes) -> None:
    first = _made()
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    assert _made() == first
    assert len(kept.read_bytes()) > len(content)


def test_another_seed_has_its_own(cache: Path) -> None:
    assert _made() != _made(SEED + 1)
    assert len(list(cache.iterdir())) == 2


def test_the_oldest_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_KEPT", 1)
    for seed in (SEED, SEED + 1):
        _made(seed)
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert _made() == _made()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert _made()["bytes"]
