"""`freckle`: the command line.

Nothing heavy is imported before a command runs, so `freckle --help` answers at once. Exit codes:
0 done, 1 internal error, 2 the call or a file is wrong, 3 understood but nothing was changed.
Every failure is one line on stderr; `--debug` or FRECKLE_DEBUG=1 adds the traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ui import account
from vision.errors import FreckleError, NothingToDo
from vision.vocabulary import KINDS, TONE_ATTRIBUTES

if TYPE_CHECKING:
    from agent import RetouchAgent
    from memory.preferences import Preferences, What
    from vision.settings import Settings

PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}
app = typer.Typer(help="Retouch a portrait by talking.", **PLAIN)
memory = typer.Typer(help="What is remembered about a user and why, and its removal.", **PLAIN)
train = typer.Typer(help="The training runs behind the weight files.", **PLAIN)
evaluate = typer.Typer(help="The benchmarks.", **PLAIN)
app.add_typer(memory, name="memory")
app.add_typer(account.app, name="account")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")

PhotoArgument = Annotated[Path, typer.Argument(metavar="PHOTO", help="never changed itself")]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="OUT")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace existing output files")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="whose preferences apply")]
Owner = Annotated[str, typer.Option("--user", metavar="NAME", help="whose memory")]


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code, having said on stderr what went wrong."""
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    debug = "--debug" in arguments or os.environ.get("FRECKLE_DEBUG") == "1"
    try:
        return app(arguments or ["--help"], prog_name="freckle", standalone_mode=False) or 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        code, line = verdict(error)
    print("freckle:", " ".join(line.split()), file=sys.stderr)
    return code


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code of a failure, and what to say about it."""
    match error:
        case NothingToDo():
            return 3, str(error)
        case FreckleError():
            return 2, str(error)
        case typer.TyperException():
            return 2, f"{error.format_message()} (see --help)"
        case typer.Abort() | KeyboardInterrupt():
            return 130, "stopped"
        case _:
            return 1, f"internal error: {type(error).__name__}: {error}"


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
) -> None:
    """The text-prompted detector alone: where, and how much."""
    from ui.files import detect_in_file

    agent = load_agent()
    print(detect_in_file(agent, photo, prompt, out=out, as_json=as_json, overwrite=overwrite))


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


@memory.command("show")
def show_memory(
    user: Owner,
    what: Annotated[
        str | None, typer.Option(metavar="KIND", help="every event of one kind, or of everything")
    ] = None,
) -> None:
    """What is remembered about a user, and why."""
    from ui.remembered import describe, list_events

    preferences = load_memory()
    if preferences.paused(user):
        print(f"The memory of {user} is paused: nothing is learnt or used.")
    if what is None:
        lines = describe(user, preferences.show(user))
    else:
        lines = list_events(user, preferences.why(user, known_kind(what)))
    for line in lines:
        print(line)


@memory.command("edit")
def edit_memory(
    user: Owner,
    what: Annotated[str, typer.Option(metavar="KIND", help="what it is about")],
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="from now on")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="from now on never touch it")] = False,
    where: Annotated[str | None, typer.Option(metavar="REGION", help="default: the usual")] = None,
) -> None:
    """Put one rule in place of what is remembered of a kind at a place."""
    from ui.remembered import rule

    count = load_memory().edit(user, rule(what, where, strength, keep))
    print(f"One rule replaces {count} observations about {user}.")


@memory.command("pause")
def pause_memory(user: Owner) -> None:
    """Learn and use nothing about a user until `resume`; nothing is deleted."""
    load_memory().pause(user)
    print(f"The memory of {user} is paused.")


@memory.command("resume")
def resume_memory(user: Owner) -> None:
    """Learn and use what is remembered about a user again."""
    load_memory().resume(user)
    print(f"The memory of {user} is in use.")


@memory.command("export")
def export_memory(user: Owner, out: Out = None) -> None:
    """Everything that is stored about a user, as JSON (on stdout unless OUT is named)."""
    from ui.files import to_json
    from ui.outputs import write_file

    text = to_json(load_memory().export(user))
    if out is None:
        print(text.decode(), end="")
    else:
        write_file(out, text)


@memory.command("import")
def import_memory(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what `export` wrote")],
    user: Owner,
) -> None:
    """Add what `export` wrote to a user's memory."""
    from ui.messages import read_json

    count = load_memory().import_(user, read_json(file))
    print(f"Added {count} observations to what is remembered about {user}.")


@memory.command("forget")
def forget_memory(
    user: Owner,
    what: Annotated[str, typer.Option(metavar="KIND", help="one kind alone")] = "everything",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete what is remembered about a user, for good."""
    kind = known_kind(what)
    if not yes:
        if not sys.stdin.isatty():
            raise FreckleError("forget cannot ask without a terminal: add --yes if you are sure")
        if not typer.confirm(f"Forget {what} about {user} for good?"):
            raise NothingToDo("Nothing was forgotten.")
    gone = load_memory().forget(user, kind)
    print(f"Forgot {gone} observations about {user}.")


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Every weight file that comes with Freckle: size, sha256, licence, origin."""
    from ui.models import weight_files

    for file in weight_files():
        print(file.to_json() if as_json else file.describe())


def known_kind(what: str) -> What:
    """The kind of that name; any other name is an error of the call."""
    known = (*KINDS, *TONE_ATTRIBUTES, "everything")
    if what not in known:
        raise FreckleError(f"--what {what} is not one of {', '.join(known[:-1])} or everything")
    return cast("What", what)


def override(**settings: str | None) -> None:
    """Let flags win over FRECKLE_* variables, everywhere in this process."""
    for name, value in settings.items():
        if value is not None:
            os.environ[f"FRECKLE_{name}"] = value


def load_settings() -> Settings:
    """The settings; a wrong one is an error of the call."""
    from pydantic import ValidationError

    from ui.messages import explain
    from vision.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        raise FreckleError(f"a setting is wrong: {explain(error)}") from None


def load_agent() -> RetouchAgent:
    from agent import RetouchAgent

    return RetouchAgent.load(settings=load_settings())


def load_memory() -> Preferences:
    from memory.preferences import Preferences

    return Preferences.load(load_settings())


def forward(group: typer.Typer, name: str, module: str, purpose: str) -> None:
    """Add a command whose arguments all go to the `main` of a module of `training`."""

    @group.command(
        name,
        help=f"{purpose} Arguments go to `python -m {module}`, whose --help lists them.",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def command(context: typer.Context) -> None:
        tool = typer.Typer(**PLAIN)
        tool.command()(importlib.import_module(module).main)
        tool(context.args, prog_name=context.command_path, standalone_mode=False)


forward(train, "vision", "training.vision", "The detector and the retoucher.")
forward(train, "calibrate", "training.calibrate", "How wide each kind's gate opens.")
forward(train, "clip", "training.retouch_clip", "A teacher that knows words for imperfections.")
forward(train, "compare", "training.compare", "Ablations, baselines and shares of the data.")
forward(train, "curve", "training.curve", "The losses of a run, drawn over its steps.")
forward(train, "regions", "training.regions", "The dense landmarks.")
forward(train, "language", "training.language.tuning", "The language model.")
forward(evaluate, "vision", "training.evaluate.vision", "What is asked goes, the rest stays.")
forward(evaluate, "detection", "training.evaluate.detection", "Real photos, and other words.")
forward(evaluate, "native", "training.evaluate.native", "Skin's detail at the photo's own size.")
forward(evaluate, "rethinking", "training.evaluate.rethinking", "What is asked is reached.")
forward(evaluate, "regions", "training.evaluate.regions", "Dense landmarks against labels.")
forward(evaluate, "language", "training.evaluate.language", "Messages against commands.")
forward(evaluate, "memory", "training.evaluate.memory", "What memory spares its user.")
forward(evaluate, "agent", "training.evaluate.agent", "Whole conversations on real photos.")
forward(evaluate, "speed", "training.evaluate.speed", "Seconds and memory, by size and by faces.")


if __name__ == "__main__":
    main()
