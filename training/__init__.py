"""Training and grading of scoring's models: a simulator of fraud, Millrace's features, the grading protocol, and the training itself."""
