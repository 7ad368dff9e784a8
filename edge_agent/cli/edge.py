"""`binline edge …`: what one does on a gateway.

The line that lists a command stands here and nowhere else; the command's own text goes on from it.
"""

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
        "decode": Later(
            where="edge_agent.cli.decode:decode",
            short_help="What bytes or registers mean, by a device profile.",
            extra="edge",
        ),
        "probe": Later(
            where="edge_agent.cli.probe:probe",
            short_help="Ask one device, and show every byte both ways.",
            extra="edge",
        ),
        "profiles": Later(
            where="edge_agent.cli.profiles:list_profiles",
            short_help="The device models that are known.",
            extra="edge",
        ),
        "profile": Later(
            where="edge_agent.cli.profiles:profile",
            short_help="Start a profile for a new model, or check one.",
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
      binline edge decode mt_sics --hex "53 20 53 20 20 20 31 30 30 2E 30 30 20 67 0D 0A"
      binline edge probe --port /dev/ttyUSB0 --profile mt_sics
      binline edge simulate --plan site.json --dir /tmp/ports
    """
