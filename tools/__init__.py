"""What makes the files that are shipped: workflows, pictures, locales. Nothing here is used by nodes or by the command line."""
