"""Load, backends and measurements for ops/soak: the standard library only."""
