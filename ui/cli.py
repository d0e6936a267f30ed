"""`freckle`: the command line.

Nothing heavy is imported before a command runs, so `freckle --help` answers at once. Exit codes:
0 done, 1 internal error, 2 the call or a file is wrong, 3 understood but nothing was changed.
Every failure is one line on stderr; `--debug` or FRECKLE_DEBUG=1 adds the traceback.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from ui import account, memory_commands
from ui.loading import load_agent, load_settings
from ui.training_runs import PLAIN, evaluate, train
from ui.verdict import verdict
from vision.errors import FreckleError

app = typer.Typer(help="Retouch a portrait by talking.", **PLAIN)
app.add_typer(memory_commands.app, name="memory")
app.add_typer(account.app, name="account")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")

PhotoArgument = Annotated[Path, typer.Argument(metavar="PHOTO", help="never changed itself")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="OUT")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace existing output files")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="whose preferences apply")]


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code, having said on stderr what went wrong."""
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name may be any bytes; a terminal may not know all letters.
        knows = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if knows else "backslashreplace")
    debug = "--debug" in arguments or os.environ.get("FRECKLE_DEBUG") == "1"
    try:
        code = app(arguments or ["--help"], prog_name="freckle", standalone_mode=False) or 0
        if code != 130:
            return code
        line = "stopped"  # by Ctrl-C, which typer turns into this code
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        code, line = verdict(error)
    print("freckle:", " ".join(line.split()), file=sys.stderr)
    return code


@app.callback()
def common(
    device: Annotated[str | None, typer.Option(help="where models run: cpu, cuda, mps")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="where memory lives")] = None,
    model: Annotated[
        str | None, typer.Option(help="who reads messages: embedded, folder, hub id or NAME@URL")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of errors")] = False,
) -> None:
    """Retouch a portrait by talking.

    Options before the command win over FRECKLE_* variables, which win over freckle.toml.
    """
    override(DEVICE=device, DTYPE=dtype, DATABASE_URL=database, MODEL=model)


@app.command()
def demo() -> None:
    """Retouch a sample portrait into ./freckle-demo.

    One request and one turn of feedback; writes before.png, after.png, mask.png, report.json.
    """
    from ui.demo import run_demo

    run_demo(load_agent(), Path("freckle-demo"))


@app.command()
def retouch(
    photo: PhotoArgument,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="what to change, in words")],
    out: Out = None,
    user: User = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json")] = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE.json")] = None,
    mask: Annotated[Path | None, typer.Option(metavar="FILE.png")] = None,
    region_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="image of the photo's size, white where skin shall be"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """One request, one photo, one new file.

    Writes PHOTO.retouched.EXT beside the photo unless OUT is named. With --region-mask, REQUEST
    may be "".
    """
    from ui.files import retouch_file

    print(
        retouch_file(
            load_agent(), photo, request, user=user, out=out,
            report=report, recipe=recipe, mask=mask, overwrite=overwrite,
            region_mask=region_mask,
        )
    )  # fmt: skip


@app.command()
def batch(
    in_dir: Annotated[Path, typer.Argument(metavar="IN_DIR", help="never changed itself")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="made where it is missing")],
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="what to change, in words")],
    user: User = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="photos at the same time (default: 1; with ray, one a CPU)"),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="processes here, or Ray (needs freckle[ray])")
    ] = "local",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace files that no batch wrote, too")
    ] = False,
) -> None:
    """One request, a whole shoot, sub-folders too.

    Writes each photo under its own name into OUT_DIR, its recipe beside it. Called again, it does
    only what is missing or has changed: photo, request, user, model, weights, version. What is
    remembered of a user is used; nothing is learnt.

    Exit code 0: no photo failed and at least one has a result. 2: the call is wrong, or some
    photos failed (the others are done). 3: nothing was changed in any photo. 1: some photo met
    an internal error.
    """
    from ui.batch import run_batch

    run_batch(
        in_dir, out_dir, request, load_settings(),
        user=user, workers=workers, engine=engine, overwrite=overwrite,
    )  # fmt: skip


@app.command()
def chat(photo: PhotoArgument, user: User = None) -> None:
    """The conversation in a terminal."""
    from ui.terminal import converse

    converse(load_agent(), photo, user)


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    share: Annotated[
        bool, typer.Option("--share", help="listen to the local network, behind a password")
    ] = False,
    auth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="accounts that `account add` wrote")
    ] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="where memory lives")] = None,
    mcp: Annotated[
        bool, typer.Option("--mcp", help="let programs call it by MCP (needs freckle[mcp])")
    ] = False,
) -> None:
    """The chat page, on this machine only unless shared."""
    from ui.web.server import serve

    override(DATABASE_URL=database)
    serve(load_agent(), port=port, share=share, passwords=auth, mcp=mcp)


@app.command()
def detect(
    photo: PhotoArgument,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="what to look for, in words")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="MASK.png")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    overwrite: Overwrite = False,
) -> int:
    """The text-prompted detector alone: where, and how much."""
    from ui.files import detect_in_file

    agent = load_agent()
    text, anything = detect_in_file(
        agent, photo, prompt, out=out, as_json=as_json, overwrite=overwrite
    )
    print(text)
    return 0 if anything else 3


@app.command()
def parse(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="one message")] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: the conversation so far")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help='lines of {"id", "text", "state"?}')
    ] = None,
) -> None:
    """What a message means, as one line of JSON.

    --jsonl answers a file of messages, a line each.
    """
    from ui import messages

    if (text is None) == (jsonl is None):
        raise FreckleError('give either "TEXT" or --jsonl FILE')
    if state is not None and jsonl is not None:
        raise FreckleError("--state goes with TEXT; in a --jsonl file each line has its own state")
    known = messages.read_state(state) if state else None
    lines = messages.read_lines(jsonl) if jsonl else []

    from llm.parser import load_parser

    parser = load_parser(load_settings())
    if text is not None:
        print(messages.turn_line(messages.understand(parser, text, known)))
    for line in messages.answer_lines(parser, lines):
        print(line)


@app.command()
def apply(
    photo: PhotoArgument,
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.json")],
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Replay a recipe on its photo.

    Same photo, same weights, same version: the same pixels.
    """
    from ui.files import apply_to_file

    print(apply_to_file(load_agent(), photo, recipe, out=out, overwrite=overwrite))


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Every weight file that comes with Freckle: size, sha256, licence, origin."""
    from ui.models import weight_files

    for file in weight_files():
        print(file.to_json() if as_json else file.describe())


def override(**settings: str | None) -> None:
    """Let flags win over FRECKLE_* variables, everywhere in this process."""
    for name, value in settings.items():
        if value is not None:
            os.environ[f"FRECKLE_{name}"] = value


if __name__ == "__main__":
    main()
