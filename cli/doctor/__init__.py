"""`./herald doctor`: checks of a deployment, and of what an application sends to it."""
