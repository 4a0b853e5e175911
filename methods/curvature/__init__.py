"""Models of the loss's curvature, and their inverses, in forms that never hold a d×d matrix."""
