"""`binline edge …`: what one does on a gateway."""

import click

from edge_agent.cli.groups import Later, LazyGroup


@click.group(
    cls=LazyGroup,
    later={
        "run": Later(
            where="edge_agent.cli.run:run",
            short_help="Read the scales and send what they show, until stopped.",
            extra="edge",
        ),
        "check": Later(
            where="edge_agent.cli.check:check",
            short_help="Say what `run` would do, and whether it could.",
            extra="edge",
        ),
        "simulate": Later(
            where="edge_agent.cli.simulate:simulate",
            short_help="Scales that do not exist, on ports that do.",
            extra="edge",
        ),
    },
)
def edge() -> None:
    r"""Read scales, keep what they show through outages, and send it to the cloud.

    \b
    Examples:
      binline edge check --settings gateway.toml
      binline edge run --settings gateway.toml
      binline edge simulate --plan site.json --dir /tmp/ports
    """
