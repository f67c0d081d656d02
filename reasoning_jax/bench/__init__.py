"""Benchmarks: each suite is a module with ``run() -> rows``, started by ``launch.bench``."""
