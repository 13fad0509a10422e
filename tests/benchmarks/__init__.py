"""Tests of what the benchmarks measure with. What they measure is for people."""
