"""What a study shows in Optuna's dashboard beside the trials themselves: notes, graphs and artifacts."""
