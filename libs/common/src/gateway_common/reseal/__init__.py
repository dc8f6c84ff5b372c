"""Sealing every stored value anew under the current master key, so that an older one may be dropped."""
