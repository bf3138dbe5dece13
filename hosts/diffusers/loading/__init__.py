"""Files in a models folder -> the handles of a headless workflow, offline and with ComfyUI's semantics."""
