"""`dropreel completion`."""

import click

from dropreel_cli.command_line import command as subcommand


@subcommand(
    "completion",
    examples=[
        'eval "$(dropreel completion bash)"',
        "dropreel completion fish > ~/.config/fish/completions/dropreel.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell's completion script."""
    from click.shell_completion import get_completion_class

    from dropreel_cli.app import application

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(application, {}, "dropreel", "_DROPREEL_COMPLETE").source())
