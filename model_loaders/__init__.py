"""Weight files -> modules: told by their tensors, read without running code, knowing no host."""
