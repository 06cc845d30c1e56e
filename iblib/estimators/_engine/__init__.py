"""The engine: one pass over all distances, on threads of compiled loops or in torch operations."""
