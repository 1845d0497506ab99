"""Tell how far each layer moved from model to model: the stage `drift`."""
