"""Peers and iblib on the same arrays, interleaved: speed, memory and digits. Not installed."""
