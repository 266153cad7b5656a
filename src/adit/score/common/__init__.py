"""What scores of all kinds share: names, inputs, rates with intervals, control rows."""
