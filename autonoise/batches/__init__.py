"""Batches of each data type, opened into canonical units and closed again."""

from autonoise.batches.base import BatchAdapter, batch_adapter

__all__ = ["BatchAdapter", "batch_adapter"]
