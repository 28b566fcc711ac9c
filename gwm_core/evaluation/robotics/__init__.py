"""How good the world model of a robot's table is: against the simulator, on scenes held out."""
