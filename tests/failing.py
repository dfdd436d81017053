"""A workflow that fails at first."""

from __future__ import annotations

#: `check` fails until there is a file `good`, `lint` until there is a file `tidy`.
BUILD = """\
workflow:
  id: build
  name: Build
  version: 1.0.0
  inputs: {who: {type: string, default: world}}
  steps:
    - {id: make, type: shell, run: 'echo "made for ${inputs.who}"; echo make >> did'}
    - {id: check, type: shell, dependencies: [make], run: 'echo check >> did; test -e good'}
    - {id: lint, type: shell, run: 'echo lint >> did; test -e tidy'}
    - {id: ship, type: set, values: {what: "${make.result.output}", checked: "${check.status}"}}
  outputs: {what: "${ship.result.what}"}
"""
