"""What comes in and goes out over the API, a module a resource."""
