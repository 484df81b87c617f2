"""What comes from data is printed as it is."""

from __future__ import annotations

import pytest

from slipway.cli.verbs import print_table


@pytest.mark.parametrize("cell", ["[red]zz[/blue]", "a:b:x:1", "[bold]x[/bold]", "[/]"])
def test_a_cell_is_no_markup(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("key", "[i]"), [(cell, 1)])

    out = capsys.readouterr().out
    assert cell in out and "[i]" in out
