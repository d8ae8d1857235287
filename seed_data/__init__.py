"""The worked example: real adults, simulated days, known drift."""
