"""Workflow files, read, checked and run without ComfyUI."""
