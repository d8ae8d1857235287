"""One file a page: its path, layout and callbacks."""
