"""A table model as an HTTP service, for Runway's public robotics client and for our own."""
