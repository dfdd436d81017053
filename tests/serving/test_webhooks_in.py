"""Webhooks: what is signed and fresh starts one run; what was forged, changed or sent again starts nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from mplp_cli.events.signing import keys_of, sign
from tests.serving.inside import Inside, inside

SECRET = "whsec_" + base64.b64encode(b"the key of the one who sends us things").decode()
HOOKED = """\
workflow:
  id: hooked
  name: Hooked
  version: 1.0.0
  inputs: {tag: {type: string}}
  triggers:
    - {id: pushed, on: webhook, path: pushed, secret: PUSH_SECRET, inputs: {tag: "${event.data.body.tag}"}}
  steps: [{id: only, type: set, values: {tag: "${inputs.tag}"}}]
"""
BODY = b'{"tag": "v1.2.0", "n": 1}'
FORGED = 200
