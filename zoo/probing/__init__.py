"""What a linear map reads off the parts of a model: the language model's layers, and others."""
