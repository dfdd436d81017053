"""Schedules of cron triggers as text: five fields, or a name for five fields. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from mplp_cli.workflow.suggest import did_you_mean

#: What may stand in place of five fields.
NAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L for the last",
    "month": "1-12, or JAN to DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday), or SUN to SAT",
}


def fields_of(schedule: str) -> str:
    """The five fields of a schedule. ValueError, with a hint behind `; `, names the field that is wrong."""
    from cronsim import CronSim, CronSimError

    text = " ".join(schedule.split())
    if text.startswith("@"):
        if text not in NAMES:
            listed = ", ".join(NAMES)
            if text == "@reboot":
                raise ValueError("`@reboot` is no time; write a trigger with `on: startup`")
            raise ValueError(
                f"there is no schedule `{text}`; {did_you_mean(text, NAMES) or f'the names are {listed}'}"
            )
        return NAMES[text]
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"a schedule has five fields, not {len(fields)}; minute, hour, day of the month, month, day of the week:"
            ' "0 3 * * *" is every night at three'
        )
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        said = dict(zip(_FIELDS, fields, strict=True)).get(name, text)
        wanted = f"the {name.replace('-', ' ').replace('day of', 'day of the')}"
        raise ValueError(
            f"`{said}` is not {wanted} of a schedule; {_FIELDS.get(name, 'write five fields')}"
        ) from None
    return text
