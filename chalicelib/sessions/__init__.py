"""A client's connection from $connect to $disconnect: who may open it, and its frames."""
