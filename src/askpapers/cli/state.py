"""What every command shares: overrides from the command line, and the program built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from askpapers.settings import Settings, load_settings, parse_override

if TYPE_CHECKING:
    from askpapers.app import App


@dataclass(frozen=True, slots=True)
class State:
    """Options given before the command."""

    overrides: tuple[str, ...] = ()
    debug: bool = False

    def settings(self, extra: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
        """Read the settings; `extra` is {section: {field: value}} from a command's own options.

        Raises:
            SettingsError: any of them is wrong.
        """
        merged: dict[str, dict[str, Any]] = {}
        for text in self.overrides:
            section, name, value = parse_override(text)
            merged.setdefault(section, {})[name] = value
        for section, fields in (extra or {}).items():
            merged.setdefault(section, {}).update(fields)
        return load_settings(merged)

    def app(self, extra: Mapping[str, Mapping[str, Any]] | None = None) -> App:
        """Build the program (nothing heavy is loaded before it is needed)."""
        from askpapers.app import App
        from askpapers.cli.terminal import make_progress, say

        return App(self.settings(extra), progress=make_progress(), notice=say)
