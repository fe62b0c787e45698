"""Readers of build files, package manifests, containers, workflows and documents: marks, no definitions."""
