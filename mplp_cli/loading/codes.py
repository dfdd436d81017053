"""Every code that loading a file can answer with, and what it means. Codes are stable; messages are not."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    # ---- the file as bytes and text
    "file-too-large": "the file is larger than 64 MiB",
    "file-encoding": "the file is not UTF-8",
    "file-empty": "there is nothing in the file",
    "file-root": "the document is not a mapping",
    "file-depth": "values are nested deeper than 64 levels",
    "file-steps": "the workflow has more than 200,000 steps",
    "file-control-character": "a control character stands in a text, written out or as an escape",
    "file-number": "a number that JSON cannot hold: not a number, infinite, or more than 64 bits",
    # ---- YAML
    "yaml-syntax": "the text is not YAML",
    "yaml-version": "the file asks for YAML 1.1; it is read as 1.2",
    "yaml-documents": "there is more than one document in the file",
    "yaml-duplicate-key": "a key stands twice in one mapping",
    "yaml-key": "a key is not text",
    "yaml-tag": "a tag other than those of the core schema",
    "yaml-unknown-anchor": "an alias names an anchor that is not there",
    "yaml-alias-cycle": "an anchor contains itself",
    "yaml-alias-budget": "aliases expand to more than 100,000 nodes",
    "yaml-merge": "`<<` does not hold a mapping or a list of mappings",
    "yaml-ambiguous-scalar": "older YAML readers take this plain scalar for something else",
    # ---- JSON
    "json-syntax": "the text is not JSON",
    "json-duplicate-key": "a key stands twice in one object",
    # ---- the schema
    "schema-unknown-key": "a key that does not exist here",
    "schema-missing-key": "a required key is missing",
    "schema-spelled-twice": "one key stands twice in different spellings",
    "schema-unsupported-key": "a key of the format that this version does not act on yet",
    "schema-unsupported-step-type": "a step type of the format that this version does not run yet",
    "schema-unknown-step-type": "a step type that does not exist",
    "schema-type": "a value of the wrong type",
    "schema-value": "a value that is not one of those allowed",
    "schema-form": "a text that does not have the form asked for",
    "schema-range": "a number that is too small or too large",
    "schema-length": "a text, list or mapping that is too short or too long",
    "schema-repeated": "the same item twice in a list where each may stand once",
    "schema-reserved-name": "a step id that means something else in expressions",
    "schema-conflict": "two keys that exclude each other",
    "schema-other": "the schema refuses the file for a reason that has no sentence of its own",
    # ---- rules about one node
    "rule-input-schema": "what an input declares is not a JSON Schema",
    "rule-input-reference": "an input's schema refers to something outside itself",
    "rule-input-default": "an input's default does not fit its schema",
    "rule-result-schema": "a step's `result-schema` is not a JSON Schema",
    "rule-result-reference": "a step's `result-schema` refers to something outside itself",
    "rule-default": "a step's `default` does not fit its `result-schema`, or holds references",
    "rule-artifact": "a file pattern that leads out of the working directory",
    "rule-cwd": "a working directory outside the one that the run was started in",
    "rule-url": "a URL that no request can be sent to, or that holds credentials",
    "rule-header": "a header that the connection sets by itself",
    "rule-status": "a range of statuses that ends before it begins",
    "rule-time": "a text that is not a time, or one that does not say its offset",
    "rule-event-type": "a text that cannot be the type of an event",
    "rule-error-type": "an error type that looks misspelled",
    "rule-agent": "an agent step that says nothing to its agent",
    # ---- agents
    "agent-definition": "the definition of an agent is not valid",
    "agent-unknown": "a step asks an agent that is not defined",
    "agent-capability": "a step wants a capability that no agent offers",
    # ---- workflows that steps run
    "include-file": "the file of a sub-workflow cannot be read, or is not a path relative to this file",
    "include-invalid": "a sub-workflow is not valid",
    "include-cycle": "workflows run each other in a circle",
    "include-budget": "sub-workflows are too many, too large or nested too deeply",
    "include-input": "an input of a sub-workflow is unknown, missing or of the wrong type",
    # ---- in place of many
    "more-problems": "the file has more problems than are listed",
}
