"""Models as HTTP services: a robot's table, for Runway's public robotics client and for our own,
and live avatars, for web pages."""
