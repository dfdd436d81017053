"""From a workflow to its plan: who may refer to whom, what waits for what, values compiled, the start order."""
