"""Prove the project: every judge and every walk."""
