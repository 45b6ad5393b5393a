"""Generation providers, imitated: sample payloads in their shapes, signed as they sign them."""
