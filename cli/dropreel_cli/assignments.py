"""The template's parameters on a command line: `DailySpendLimitUsd=80`, or as make has them, `DAILY_SPEND_LIMIT_USD=80`."""

import difflib
from collections.abc import Collection, Iterable, Mapping

from dropreel_cli.parameters import Parameter, read_parameters
from dropreel_cli.questions import UsageError


def given_parameters(
    words: Iterable[str], parameters: Mapping[str, Parameter] | None = None, refused: Collection[str] = ()
) -> dict[str, str]:
    """Return the values by the parameters' names. Raises UsageError with a line for each word that is wrong.

    `refused` are parameters, as make's variables, that do not belong to the command.
    """
    parameters = read_parameters() if parameters is None else parameters
    by_name = {name: one for one in parameters.values() for name in (one.name, one.variable)}
    values: dict[str, str] = {}
    faults = []
    for word in words:
        name, is_assignment, value = word.partition("=")
        parameter = by_name.get(name)
        if parameter is None:
            faults.append(_unknown(name, parameters))
        elif parameter.variable in refused:
            faults.append(
                f"{parameter.name} cannot be given here: the local cloud sets it itself or has no use for it."
            )
        elif not is_assignment:
            faults.append(f"{name} has no value; write {name}=VALUE.")
        elif parameter.name in values:
            faults.append(f"{parameter.name} is given twice.")
        elif fault := parameter.fault_of(value):
            faults.append(fault)
        else:
            values[parameter.name] = value
    if faults:
        raise UsageError("\n".join([*faults, "Nothing was started."]))
    return values


def _unknown(name: str, parameters: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name.casefold().replace("_", ""), [one.casefold() for one in parameters], n=1)
    meant = next((one for one in parameters if near and one.casefold() == near[0]), None)
    return f"There is no parameter {name!r}; " + (
        f"did you mean {meant}?" if meant else f"there are {', '.join(parameters)}."
    )
