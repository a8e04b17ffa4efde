"""`make run`, `up`, `drop`, `deploy` and `remove` as commands: `python -m dropreel_cli.make_arguments <target>`.

make hands its variables over as environment, so that neither a shell nor make reads what is in a prompt.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dropreel_cli.app import main as run_command
from dropreel_cli.checkout import PREPARED_VARIABLE
from dropreel_cli.image_options import FLAGS
from dropreel_cli.target import given_names, is_yes
from dropreel_cli.variables import parameter_names, variable_name

_SOUND = {"true": ["--sound"], "false": ["--no-sound"], "": []}


class VariableFault(Exception):
    """A variable is missing, or has a value that no argument has."""


def arguments_of(target: str, environment: Mapping[str, str]) -> list[str]:
    """Return the command line of a target. Raises VariableFault.

    An image's options are taken from the whole environment, a stack's parameters only from make's own command line: one that
    happens to be in a shell must not change a stack.
    """
    image = environment.get("IMAGE", "")
    stack = [f"--stack={environment['STACK']}"] if environment.get("STACK") else []
    yes = ["--yes"] if is_yes(environment, "YES") else []
    given = given_names(environment)
    variables = {variable_name(name): name for name in parameter_names()}
    parameters = [
        f"{name}={environment.get(variable, '')}" for variable, name in variables.items() if variable in given
    ]
    if target == "run":
        return ["run", *_image_flags(environment), *(["--", image] if image else [])]
    if target == "up":
        return ["up", "--foreground", "--", *parameters]
    if target == "drop":
        if not image:
            raise VariableFault('IMAGE is required: make drop IMAGE=my.jpg PROMPT="slow zoom in"')
        # An image is not asked about: its name and its options were typed. A folder may be expensive.
        yes = [] if Path(image).is_dir() else ["--yes"]
        return ["drop", *_image_flags(environment), *stack, *yes, "--wait", "--download=output", "--", image]
    if target == "deploy":
        guided = ["--guided"] if is_yes(environment, "GUIDED") else []
        return ["deploy", *guided, *yes, *stack, "--", *parameters]
    if target == "remove":
        return ["remove", *yes, *stack]
    raise VariableFault(f"There is no command for make {target}.")


def _image_flags(environment: Mapping[str, str]) -> list[str]:
    """Return the options of an image that the environment sets, each as one argument: a value may begin with a hyphen."""
    sound = environment.get("SOUND", "")
    if sound.lower() not in _SOUND:
        raise VariableFault(f"SOUND is {sound!r}; allowed are true and false.")
    names = [name for name in FLAGS if name != "sound" and environment.get(name.upper())]
    return [f"--{name.replace('_', '-')}={environment[name.upper()]}" for name in names] + _SOUND[sound.lower()]


def main() -> int:
    """Run the command of a target; return its exit status. make has made the prerequisites and is in the checkout."""
    os.environ[PREPARED_VARIABLE] = str(Path.cwd())
    try:
        arguments = arguments_of(sys.argv[1], os.environ)
    except VariableFault as error:
        print(error, file=sys.stderr)
        return 2
    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
