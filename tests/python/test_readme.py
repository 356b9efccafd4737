"""Every Python block of the README runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert capsys.readouterr().out.strip()


def test_there_is_a_block_for_the_loop_and_each_kernel() -> None:
    text = "\n".join(BLOCKS)
    for module in ("optcore.loop", "optcore.mpc", "optcore.belief", "optcore.gp"):
        assert module in text
