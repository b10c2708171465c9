"""Video recognition from image building blocks."""
