"""Pure DataFrame -> DataFrame functions, one verb per module; no input, output or clock."""
