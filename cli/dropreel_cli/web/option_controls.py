"""The options of images as the page's controls show them: allowed values, limits, prices, and what holds where none is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dropreel.domain.option_places import MAX_PROMPT_CHARACTERS
from dropreel.domain.options import ASPECT_RATIOS, CFG_SCALES, DURATIONS, MODES
from dropreel.domain.prices import usd
from dropreel_cli.stack_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel_cli.stack import Stack


class OptionControls(NamedTuple):
    """Everything is read from the code that validates the options. `defaults` are the stack's, as text."""

    defaults: Mapping[str, str]
    mode_prices: Mapping[str, str]
    duration_prices: Mapping[int, str]
    aspect_ratios: tuple[str, ...] = ("auto", *ASPECT_RATIOS)
    cfg_scales: tuple[float, float] = CFG_SCALES
    max_characters: int = MAX_PROMPT_CHARACTERS


def controls_of(stack: Stack) -> OptionControls:
    """Return the controls for a stack. Raises SettingsError where its parameters are not complete."""
    settings = settings_of(stack)
    prices = settings.prices
    return OptionControls(
        settings.default_options,
        {mode: _prices({f"{each} s": prices.cents_of(mode, each) for each in DURATIONS}) for mode in MODES},
        {each: _prices({mode: prices.cents_of(mode, each) for mode in MODES}) for each in DURATIONS},
    )


def _prices(cents: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ${usd(price)}" for name, price in cents.items())
