"""Search for parameters: what may vary, and a study of trials. The only room with optuna."""
