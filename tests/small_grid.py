"""A grid of twelve small runs for the tests of sweeps."""

GRID = """
[data]
name = "binary_patterns"
[run]
model = "mlp"
activation = ["tanh", "relu"]
seed = [0, 1, 2]
epochs = 2
n_points = 2
batch_size = 512
[run.options]
sizes = [[12, 4, 2], [12, 3, 2]]
[measure]
n_samples = 60
views = ["layer"]
bins = [{kind = "width", value = 0.07}, {kind = "bounds", value = 30}]
"""


def write_grid(tmp_path, text=GRID):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return path
