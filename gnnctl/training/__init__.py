"""Training and prediction: tasks, loop, metrics, checkpoints, exact and sampled inference."""
