"""Payment providers behind one port, base.py."""
