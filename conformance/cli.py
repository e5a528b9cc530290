"""The command line: `spot-conformance run | replay | diff | judge | doctor | serve | requirements`."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from conformance import __version__, completion, stop
from conformance.commands.groups import docs, faults, requirements
from conformance.commands.options import console, extent_options, report_dir_option, target_options, targets_options
from conformance.errors import SuiteError


class _Group(click.Group):
    """Says a SuiteError in one line and exits with its status; everything else unexpected is 70."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SuiteError as error:
            _fail(error.message, error.hint, error.exit_status)
        except KeyboardInterrupt:
            # click would say 1, which here means that something is violated
            _fail("interrupted", "", stop.exit_status())
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(0) from None
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception:
            # Python's own status for a crash is 1, which here would say that something is violated
            from conformance.target.redact import masked

            click.echo(masked(traceback.format_exc()), err=True)
            _fail("internal error", "please report it with the lines above", 70)
        finally:
            stop.settle()


def _fail(message: str, hint: str, status: int) -> NoReturn:
    click.echo(f"spot-conformance: {message}" + (f"\n  hint: {hint}" if hint else ""), err=True)
    raise SystemExit(status)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="spot-conformance")
def cli() -> None:
    """Contract and conformance tests for a spot exchange's Cancel Order endpoint.

    \b
    Examples:
      spot-conformance run
      spot-conformance doctor --base-url http://127.0.0.1:8080/api/v1

    \b
    Exit status: 0 conformant, 1 violated, 2 usage or configuration, 3 undecided,
    4 nothing exercised, 70 internal error, 130 interrupted by Ctrl-C, 143 by SIGTERM.
    """


@cli.command()
@target_options
@extent_options
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything that is drawn.")
@report_dir_option("reports", "Where the reports go.")
@click.option("--overload", is_flag=True, help="Fill the engine's backlog by a bounded burst, to see a 503.")
@click.option("--restart-command", metavar="CMD", help="A shell command that restarts the target.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="A results.json: only MUST violations it lacks exit with 1."
)
def run(**options: Any) -> None:
    """Check a target and write the reports.

    \b
    Examples:
      spot-conformance run
      spot-conformance run --base-url https://staging.example/api/v1 --allow-trading
      spot-conformance run --only cancel.key --profile quick
    Credentials come from the environment: SPOT_CONFORMANCE_OWNER_JWT, …_OWNER_API_KEY, …_OWNER_API_SECRET,
    the same with COUNTERPARTY, or from a conformance.toml.
    """
    from conformance.runner import run as carry_out

    raise SystemExit(carry_out(options, console()))


@cli.command()
@click.argument(
    "records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option("--report-dir", type=click.Path(path_type=Path, file_okay=False), help="Write the reports there.")
def judge(records: tuple[Path, ...], report_dir: Path | None) -> None:
    """Judge stored records again: offline, without keys, with the same outcome.

    \b
    Examples:
      spot-conformance judge reports/record.ndjson
      spot-conformance judge worker*/record.ndjson
    Several are judged side by side; the exit status is that of the worst.
    """
    from conformance.commands.judging import judge as judge_all

    raise SystemExit(judge_all(records, report_dir, console()))


@cli.command()
@click.argument("finding", shell_complete=completion.finding)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where the finding was reported.",
)
@target_options
def replay(finding: str, report_dir: Path, **options: Any) -> None:
    """Try a FINDING of a report again, freshly signed, and say whether it still fails.

    \b
    Example:
      spot-conformance replay F3 --base-url https://staging.example/api/v1 --allow-trading
    Exit status: 0 it no longer fails, 1 it still does, 2 no such finding, 3 it could not be tried.
    """
    from conformance.replay import replay as try_again

    raise SystemExit(try_again(finding, report_dir, options, console()))


@cli.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
def diff(a: Path, b: Path) -> None:
    """Say what changed from run A to run B: report directories, results.json or record.ndjson.

    \b
    Example:
      spot-conformance diff reports/monday reports/tuesday
    Exit status: 1 if B violates a MUST in a way that A did not, 0 if not, 2 for files that cannot be used.
    """
    from conformance.compare import diff as compare_runs

    raise SystemExit(compare_runs(a, b, console()))


@cli.command()
@target_options
def doctor(**options: Any) -> None:
    """Check in seconds whether a run can work: reachable, clock, credentials, market, placing, filling.

    \b
    Example:
      spot-conformance doctor --base-url http://127.0.0.1:8080/api/v1
    """
    from conformance.doctor import examine

    raise SystemExit(examine(options, console()))


@cli.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("conformance.toml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--base-url", metavar="URL", help="Put this target into it.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(config: Path, base_url: str | None, force: bool) -> None:
    """Write a commented settings file to fill in.

    \b
    Example:
      spot-conformance init --base-url https://staging.example/api/v1
    """
    from conformance.commands.init import write_config

    write_config(config, base_url=base_url, force=force)
    click.echo(f"{config} is written: fill in the accounts, then run spot-conformance doctor")


@cli.command()
@target_options
@extent_options
def plan(**options: Any) -> None:
    """Say what a run would do: requests, orders and their size, what is destructive, how long. Places nothing.

    \b
    Example:
      spot-conformance plan --base-url https://staging.example/api/v1
    """
    from conformance.commands.plan import show_plan

    raise SystemExit(show_plan(options, console()))


@cli.command()
@target_options
@report_dir_option("reports", "Where the reports of the run went.")
def cleanup(**options: Any) -> None:
    """Cancel what a run left open that was cut off, and nothing else; its journal is in the report directory.

    \b
    Example:
      spot-conformance cleanup --report-dir reports
    Exit status: 0 nothing is left, 2 no journal there, 3 the target cannot be asked.
    """
    from conformance.commands.cleanup import clean_up

    raise SystemExit(clean_up(options, console()))


@cli.command()
@target_options
@click.option("--users", type=click.IntRange(1, 1000), default=4, show_default=True, help="At a time.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=20, show_default=True, help="Orders a second, of all users."
)
@click.option("--duration", type=click.FloatRange(1, 86_400), default=30, show_default=True, help="Seconds.")
@click.option("--max-orders", type=click.IntRange(1, 1_000_000), help="Default: [safety] max_orders, or 8000.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything that is drawn.")
@report_dir_option("reports/load", "Where load.json goes.")
@click.option("--master", is_flag=True, help="Send nothing, but lead workers (Locust's own).")
@click.option("--expect-workers", type=click.IntRange(1, 100), default=1, show_default=True, help="With --master.")
@click.option("--bind-host", default="127.0.0.1", show_default=True, help="Where --master listens.")
@click.option("--worker", is_flag=True, help="Send what a master says.")
@click.option("--master-host", default="127.0.0.1", show_default=True, help="Where --worker finds it.")
@click.option("--port", type=click.IntRange(1, 65534), default=5557, show_default=True, help="Of the master.")
def load(**options: Any) -> None:
    """Load on a target by concurrent users (Locust); the same oracle judges every exchange.

    \b
    Examples:
      spot-conformance load --users 8 --rate 50 --duration 60
      spot-conformance load --base-url URL --master --expect-workers 2
      spot-conformance load --base-url URL --worker --report-dir reports/worker1
    The exit status is that of run. Needs pip install 'spot-conformance[load]'.
    """
    from conformance.load.command import load as carry_out

    raise SystemExit(carry_out(options, console()))


@cli.command()
@targets_options
@click.option("--minutes", type=click.FloatRange(0.01, 10_000), default=10, show_default=True, help="How long.")
@click.option("--workers", type=click.IntRange(1, 64), help="Parts at a time, each on an embedded reference.")
@click.option("--seed", type=int, default=0, show_default=True, help="Where the parts begin to draw.")
@click.option(
    "--examples",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".hypothesis/spot-conformance"),
    show_default=True,
    help="Hypothesis' example database: failing sequences, which come first next time.",
)
@report_dir_option("reports/campaign", "Where the reports go, one for each part.")
def campaign(**options: Any) -> None:
    """Fuzz for minutes: sequences and generated cancels, with one seed after the other.

    \b
    Examples:
      spot-conformance campaign --minutes 30 --workers 2
      spot-conformance campaign --config blue.toml --config green.toml --minutes 60
    A part ends at its first violation of a MUST. Several need pip install 'spot-conformance[campaign]'.
    Exit status: 0 no violation, 1 violated, 2 usage or configuration, 3 nothing could be tried.
    """
    from conformance.campaign.command import campaign as carry_out

    raise SystemExit(carry_out(options, console()))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for programs.")
@click.option("--db", type=click.Path(dir_okay=False), help="SQLite file to keep. Default: a temporary one.")
@click.option("--base-path", default="/api/v1", show_default=True, help="What all paths begin with.")
@click.option("--symbol", default="DFUSDT", show_default=True, help="The market.")
@click.option("--tick", default="0.0001", show_default=True, help="Step of its prices.")
@click.option("--lot", default="0.01", show_default=True, help="Step of its quantities.")
@click.option("--min-notional", default="1", show_default=True, help="Least price times quantity.")
@click.option("--trading-disabled", is_flag=True, help="Place and cancel answer 503.")
@click.option("--queue-size", type=int, help="Length of the engine's backlog.")
@click.option(
    "--fault", metavar="NAME", shell_complete=completion.fault, help="A deliberate violation (see faults list)."
)
@click.option(
    "--variation",
    metavar="NAME",
    shell_complete=completion.variation,
    help="A permitted way to be different (see faults list --variations).",
)
def serve(host: str, port: int, as_json: bool, fault: str | None, variation: str | None, **options: Any) -> None:
    """Start the reference exchange: a real small spot exchange, a sandbox for bots as well.

    \b
    Examples:
      spot-conformance serve --port 8080
      spot-conformance serve --port 0 --json
      spot-conformance serve --fault average-is-not-weighted
    """
    from conformance.reference.faults import spoiled
    from conformance.reference.server import serve as serve_reference
    from conformance.reference.settings import simple_settings

    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = spoiled(simple_settings(**given), fault, variation)
        serve_reference(settings, host=host, port=port, as_json=as_json)
    except OSError as error:
        _fail(f"cannot listen on {host}:{port}: {error.strerror or error}", "choose another --port", 2)
    except ValueError as error:
        _fail(str(error), "see spot-conformance serve --help", 2)


for _group in (faults, requirements, docs):
    cli.add_command(_group)


def main() -> None:
    """Run the command line. A signal that asks for the end is obeyed after cleaning up."""
    gc.set_threshold(100_000, 20, 50)  # a run keeps much and leaves few cycles: seldom is often enough to look
    stop.install()
    cli(prog_name="spot-conformance")
