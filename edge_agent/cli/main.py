"""The one command: `binline edge …`, `binline cloud …`, `binline demo`."""

import os
import sys

import click

from edge_agent.cli.groups import Later, LazyGroup, dress

EXIT_INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0    fine                      3    a device does not answer
  1    failed, or a check did    4    the cloud cannot be reached
  2    used wrongly              5    not allowed
                                 130  interrupted
"""


@click.group(
    cls=LazyGroup,
    later={
        "edge": Later(
            where="edge_agent.cli.edge:edge",
            short_help="On a gateway: read scales, keep readings, send them.",
            extra="edge",
        ),
        "cloud": Later(
            where="cloud.cli.cloud:cloud",
            short_help="On a server: store readings, decide, order, tell, show.",
            extra="cloud",
        ),
        "demo": Later(
            where="cloud.cli.demo:demo",
            short_help="All of it on this machine, with scales that do not exist.",
            extra="demo",
        ),
    },
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="binline", message="binline %(version)s")
def binline() -> None:
    r"""Bins weigh themselves, orders place themselves.

    \b
    Examples:
      binline demo
      binline edge check --settings gateway.toml
      binline edge run --settings gateway.toml
      binline cloud migrate
    """


def main() -> None:
    dress(binline)
    try:
        result = binline.main(standalone_mode=False, prog_name="binline", color=_color())
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _color() -> bool | None:
    """None: colours on a terminal, and only there."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return None


if __name__ == "__main__":
    main()
