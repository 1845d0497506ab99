"""Let an LLM compare two models' answers, in both orders."""
