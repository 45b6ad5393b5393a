"""Every fault of the path is injected, and a history checker looks for what was lost."""
