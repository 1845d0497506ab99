"""Serve a model to programs that speak the OpenAI API, on this machine alone."""


def main(name: str, host: str, port: int, engine: str) -> None:
    """Serve until interrupted."""
    raise NotImplementedError(name, host, port, engine)
