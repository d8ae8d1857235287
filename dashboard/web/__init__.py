"""The web around the pages: who may come in, HTTP for programs, what goes wrong in a request."""
