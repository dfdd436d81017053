"""What ended runs have shown of their steps: a row a run, packed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import apsw
import msgspec

from mplp_cli.store import schema
from mplp_cli.store.database import UNREADABLE, Database
from mplp_cli.workflow.estimates import Measured, Profile

_pack = msgspec.msgpack.Encoder().encode
_measured: Final = msgspec.msgpack.Decoder(dict[str, Measured]).decode


def add_profile(db: apsw.Connection, key: int, profile: Profile) -> None:
    """Store what run `key` has shown, in place of what it had shown at an earlier end."""
    db.execute(schema.ADD_PROFILE, (profile.at, _pack(profile.steps), key))


def profiles(database: Database, workflow_id: str, limit: int) -> Iterator[Profile]:
    """Those of a workflow, the newest first; an unreadable one is left out."""
    for run, at, body in database.rows(schema.PROFILES, (workflow_id, limit)):
        found: Profile | None = None
        with suppress(*UNREADABLE):
            found = Profile(run=run, at=at, steps=_measured(body))
        if found is not None:
            yield found


def unreadable_profiles(database: Database) -> list[int]:
    """Keys of the runs whose profiles are damaged."""
    found = []
    for key, body in database.rows("SELECT run, body FROM profile"):
        try:
            _measured(body)
        except UNREADABLE:
            found.append(key)
    return found
