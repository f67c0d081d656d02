"""Where stages of preference and tuning get what they learn from."""
