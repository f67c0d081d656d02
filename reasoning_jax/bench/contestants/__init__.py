"""Who takes part in a benchmark: each module runs in a process of its own, under `bench.child`."""
