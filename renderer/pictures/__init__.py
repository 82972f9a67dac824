"""Picture files: metadata with the request, fitting of given pictures, files that a request names."""
