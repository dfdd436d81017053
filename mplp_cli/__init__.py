"""Run declarative multi-agent workflows on a durable local engine."""

__version__ = "0.1.0"
