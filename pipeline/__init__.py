"""What happens: reading, profiling, scoring, deciding, retraining."""
