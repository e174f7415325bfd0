"""What runs in browsers: the live page, and how modules become scripts of a page."""
