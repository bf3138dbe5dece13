"""ComfyUI's own nodes that workflows use, under their own ids, for workflows run without ComfyUI: same inputs, same outputs, same numbers."""
