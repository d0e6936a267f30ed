from __future__ import annotations

import subprocess
import sys

CALLS = {
    *("demo", "retouch", "batch", "chat", "ui", "detect", "parse", "apply", "models"),
    "account add",
    *(f"memory {command}" for command in ("show", "export", "import", "forget")),
    *(f"train {command}" for command in ("vision", "regions", "language")),
    *(f"evaluate {command}" for command in ("vision", "regions", "language", "speed")),
}
HEAVY = {"torch", "gradio", "transformers", "sqlalchemy", "cv2", "numpy", "PIL"}


def test_help_of_every_command_imports_nothing_heavy():
    code = (
        "import sys; from ui.cli import run\n"
        f"codes = {{run([*call.split(), '--help']) for call in {sorted(CALLS)} + ['']}}\n"
        "print(codes, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    codes, *modules = done.stderr.split()
    assert codes == "{0}"
    assert not HEAVY & set(modules)
    for call in CALLS:
        assert f"Usage: freckle {call} " in done.stdout


def test_every_command_is_listed_and_nothing_else(freckle):
    lines = freckle("--help").out.partition("Commands:\n")[2].splitlines()
    assert {line.split()[0] for line in lines} == {call.split()[0] for call in CALLS}


def test_no_arguments_show_the_help(freckle):
    assert freckle() == freckle("--help")
