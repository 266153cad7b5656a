"""Common parts of the scores of all kinds: inputs, rates with intervals, control rows."""
